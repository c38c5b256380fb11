/* SPDX-License-Identifier: GPL-2.0 */
/* Whose connections wait for accept(), by sock_diag(7); and how many requests are looked at. */
#pragma once

#include <cstdint>

#include "model/crowd.hh"

namespace lqctl {

/*
 * The peers of the connections at a local port of this network namespace that no process has yet: a
 * connection gets its inode from accept(). Of all listeners at that port together; what an accept
 * filter holds is among them. Empty where TCP's connections cannot be listed.
 */
[[nodiscard]] Crowd find_waiting(std::uint16_t port);

/* Half-open requests: a dump of more takes its time, and says no more of who they are. */
inline constexpr std::uint32_t most_requests = 16384;

} // namespace lqctl
