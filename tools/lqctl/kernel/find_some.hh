/* SPDX-License-Identifier: GPL-2.0 */
/* Listeners of ours, one at least; else an error that says where what was meant may be. */
#pragma once

#include <vector>

#include "kernel/lookup.hh"

namespace lqctl {

/* Throws when there is none. */
[[nodiscard]] std::vector<Listener> find_some(Genl &genl, const Selection &selection,
					      bool processes = false);

/* "lqctl adopt :80": as it is to be typed into a shell. */
[[nodiscard]] std::string adopt_command(const Selection &selection);

} // namespace lqctl
