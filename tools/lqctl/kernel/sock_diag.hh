/* SPDX-License-Identifier: GPL-2.0 */
/* TCP sockets as the kernel's sock_diag lists them, those of listenq among them. */
#pragma once

#include <cstdint>

#include "wire/reply.hh"

namespace lqctl {

struct SocketsWanted {
	std::uint32_t states;	     /* 1 << TCP_LISTEN and so on: include/net/tcp_states.h */
	std::uint8_t extensions = 0; /* 1 << (INET_DIAG_INFO - 1) and so on */
	std::uint16_t port = 0;	     /* the local one; 0: any */
};

/* Of IPv4, then of IPv6: @visit has each one's inet_diag_msg and attributes. Throws NetlinkError.
 */
void dump_sockets(const SocketsWanted &wanted, const Reply::Visit &visit);

} // namespace lqctl
