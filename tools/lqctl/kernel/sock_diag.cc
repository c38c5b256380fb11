// SPDX-License-Identifier: GPL-2.0
/* TCP sockets: a dump of sock_diag for each family. */
#include "kernel/sock_diag.hh"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include "kernel/netlink.hh"

namespace lqctl {

void dump_sockets(const SocketsWanted &wanted, const Reply::Visit &visit)
{
	Netlink netlink(NETLINK_SOCK_DIAG, "sock_diag");

	for (const std::uint8_t family : {AF_INET, AF_INET6}) {
		alignas(nlmsghdr) char out[256];
		nlmsghdr *header = mnl_nlmsg_put_header(out);
		header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
		header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		auto *request = static_cast<inet_diag_req_v2 *>(
			mnl_nlmsg_put_extra_header(header, sizeof(inet_diag_req_v2)));
		request->sdiag_family = family;
		request->sdiag_protocol = IPPROTO_TCP;
		request->idiag_states = wanted.states;
		request->idiag_ext = wanted.extensions;
		request->id.idiag_sport = htons(wanted.port); /* the kernel compares it first */
		(void)netlink.request(header, visit, 0);
	}
}

} // namespace lqctl
