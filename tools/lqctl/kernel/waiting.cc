// SPDX-License-Identifier: GPL-2.0
/* Connections that wait: a dump of sock_diag of one port. */
#include "kernel/waiting.hh"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include <cstring>

#include "base/error.hh"
#include "kernel/netlink.hh"

namespace lqctl {

namespace {

/* Of enum in the kernel's include/net/tcp_states.h: TCP_ESTABLISHED, TCP_CLOSE_WAIT. */
constexpr std::uint32_t waiting_states = 1U << 1 | 1U << 8;

void dump(Netlink &netlink, std::uint8_t family, std::uint16_t port, Crowd &crowd)
{
	alignas(nlmsghdr) char out[256];
	nlmsghdr *header = mnl_nlmsg_put_header(out);
	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	auto *request = static_cast<inet_diag_req_v2 *>(
		mnl_nlmsg_put_extra_header(header, sizeof(inet_diag_req_v2)));
	request->sdiag_family = family;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = waiting_states;
	request->id.idiag_sport = htons(port); /* inet_diag_dump_icsk() compares it first */
	(void)netlink.request(
		header,
		[&](Bytes message) {
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
		},
		0);
}

} // namespace

Crowd find_waiting(std::uint16_t port)
{
	Crowd crowd;

	try {
		Netlink netlink(NETLINK_SOCK_DIAG, "sock_diag");
		dump(netlink, AF_INET, port, crowd);
		dump(netlink, AF_INET6, port, crowd);
	} catch (const NetlinkError &) {
		return {};
	}
	return crowd;
}

} // namespace lqctl
