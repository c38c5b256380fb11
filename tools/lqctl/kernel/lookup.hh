/* SPDX-License-Identifier: GPL-2.0 */
/* The listeners that a command is about, from the kernel and, if wanted, /proc. */
#pragma once

#include <vector>

#include "kernel/genl.hh"
#include "model/selection.hh"

namespace lqctl {

/* Who holds each of them. */
void add_processes(std::vector<Listener> &listeners);

/* Genl::listeners() for who asks again and again: throws module_unloaded() if the module goes. */
[[nodiscard]] std::vector<Listener> poll_listeners(Genl &genl, bool &incomplete);

/* Says on stderr when some may be missing. */
[[nodiscard]] std::vector<Listener> find_listeners(Genl &genl, const Selection &selection,
						   bool processes = false);

} // namespace lqctl
