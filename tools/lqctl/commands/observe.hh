/* SPDX-License-Identifier: GPL-2.0 */
/* What a diagnosis needs, of all listeners of the network namespace that we are in. */
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "kernel/genl.hh"
#include "kernel/observer.hh"
#include "view/finding.hh"

namespace lqctl {

/* @before: as they were @seconds ago, by id; those that were not there have nothing before. */
[[nodiscard]] std::vector<Observation> observe(Genl &genl, const Observer &observer,
					       const std::map<std::uint64_t, Listener> &before,
					       double seconds);

} // namespace lqctl
