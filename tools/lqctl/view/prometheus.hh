/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Prometheus' text format, version 0.0.4, as node_exporter's textfile collector reads it.
 *
 * A listener is known by its address, port and interface, which stay when its program starts anew.
 * Sockets that share them (SO_REUSEPORT) are added up, a peak is the highest of theirs.
 */
#pragma once

#include <string>
#include <vector>

#include "model/listener.hh"
#include "model/stats.hh"

namespace lqctl {

[[nodiscard]] std::string prometheus_text(const Stats &stats,
					  const std::vector<Listener> &listeners);

} // namespace lqctl
