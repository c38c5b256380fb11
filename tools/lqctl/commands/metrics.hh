/* SPDX-License-Identifier: GPL-2.0 */
/* What export writes and serve sends. */
#pragma once

#include <string>

#include "model/selection.hh"

namespace lqctl {

/*
 * In Prometheus' format. @all_netns: of every network namespace that has a name or a process, each
 * a label; then we are where we were. @may_load: the kernel may load the module for it; else, and
 * where there is none, it is said that there is none. Throws.
 */
[[nodiscard]] std::string metrics_text(const Selection &selection, bool all_netns, bool may_load);

} // namespace lqctl
