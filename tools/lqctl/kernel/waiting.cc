// SPDX-License-Identifier: GPL-2.0
/* Connections that wait: a dump of sock_diag of one port. */
#include "kernel/waiting.hh"

#include <linux/inet_diag.h>

#include <cstring>

#include "base/error.hh"
#include "kernel/sock_diag.hh"

namespace lqctl {

namespace {

/* Of enum in the kernel's include/net/tcp_states.h: TCP_ESTABLISHED, TCP_CLOSE_WAIT. */
constexpr std::uint32_t waiting_states = 1U << 1 | 1U << 8;

} // namespace

Crowd find_waiting(std::uint16_t port)
{
	Crowd crowd;

	try {
		dump_sockets({.states = waiting_states, .port = port}, [&](Bytes message) {
			inet_diag_msg socket;
			Address peer;

			if (message.size() < sizeof(socket))
				return;
			std::memcpy(&socket, message.data(), sizeof(socket));
			if (socket.idiag_inode)
				return;
			peer.family = socket.idiag_family;
			std::memcpy(peer.bytes.data(), socket.id.idiag_dst, peer.size());
			crowd.add(peer);
		});
	} catch (const NetlinkError &) {
		return {};
	}
	return crowd;
}

} // namespace lqctl
