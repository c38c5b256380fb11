/* SPDX-License-Identifier: GPL-2.0 */
/* The listening TCP sockets of this network namespace, by sock_diag(7): ours and the kernel's. */
#pragma once

#include <vector>

#include "kernel/genl.hh"
#include "model/selection.hh"
#include "model/tcp_listener.hh"

namespace lqctl {

/* All, by port; with @processes, who holds them. Of those that are ours, our module's word. */
[[nodiscard]] std::vector<TcpListener> find_tcp_listeners(Genl &genl, const Selection &selection,
							  bool processes);

/*
 * Those that are not ours, and who holds them. None where TCP's cannot be listed: for commands that
 * are about ours.
 */
[[nodiscard]] std::vector<Listener> find_plain_listeners(Genl &genl, const Selection &selection);

} // namespace lqctl
