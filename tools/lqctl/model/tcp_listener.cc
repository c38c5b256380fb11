// SPDX-License-Identifier: GPL-2.0
/* TCP's listening sockets: from sock_diag's messages. */
#include "model/tcp_listener.hh"

#include <linux/inet_diag.h>
#include <sys/socket.h>

#include <cstring>

#include "base/error.hh"

namespace lqctl {

namespace {

void parse_attributes(TcpListener &tcp, Bytes attributes)
{
	for_each_attr(attributes, [&](const Attr &attr) {
		switch (attr.type()) {
		case INET_DIAG_SKV6ONLY:
			tcp.listener.address.v6only = attr.number<std::uint8_t>() != 0;
			break;
		case INET_DIAG_MD5SIG:
			tcp.md5 = true;
			break;
		case INET_DIAG_ULP_INFO:
			for_each_attr(attr.payload(), [&](const Attr &inner) {
				if (inner.type() == INET_ULP_INFO_NAME)
					tcp.ulp = inner.string();
			});
			break;
		default:
			break;
		}
	});
}

} // namespace

TcpListener parse_tcp_listener(Bytes message)
{
	TcpListener tcp;
	Listener &l = tcp.listener;
	inet_diag_msg m;

	if (message.size() < sizeof(m))
		throw Error("the kernel's sock_diag message is cut short: use a newer lqctl");
	std::memcpy(&m, message.data(), sizeof(m));
	l.plain = true;
	l.policy = "tcp";
	l.address.family = m.idiag_family;
	l.address.port = ntohs(m.id.idiag_sport);
	l.address.ifindex = m.id.idiag_if;
	static_assert(sizeof(m.id.idiag_src) == sizeof(l.address.bytes));
	std::memcpy(l.address.bytes.data(), m.id.idiag_src, l.address.size());
	l.inode = m.idiag_inode;
	l.uid = m.idiag_uid;
	l.accept_qlen = m.idiag_rqueue;
	l.backlog = m.idiag_wqueue;
	/* sk_acceptq_is_full() compares with >. */
	l.accept_limit = l.backlog + 1;
	tcp.cookie = static_cast<std::uint64_t>(m.id.idiag_cookie[1]) << 32 | m.id.idiag_cookie[0];
	parse_attributes(tcp, message.subspan(sizeof(m)));
	return tcp;
}

} // namespace lqctl
