// SPDX-License-Identifier: GPL-2.0
/* Netlink sockets, by libmnl. */
#include "kernel/netlink.hh"

#include <fmt/core.h>
#include <libmnl/libmnl.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "base/error.hh"

namespace lqctl {

namespace {

/* What the kernel fills a dump's datagram to at most (NETLINK_SKB size in af_netlink.c). */
constexpr std::size_t datagram_size = 32768;

Error socket_error(const char *what, const char *name)
{
	return Error(fmt::format("cannot {} a {} socket: {}", what, name,
				 std::generic_category().message(errno)));
}

} // namespace

Netlink::Netlink(int bus, const char *name)
    : socket_(mnl_socket_open2(bus, SOCK_CLOEXEC)), name_(name)
{
	if (!socket_)
		throw socket_error("open", name_);
	if (mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) < 0) {
		Error error = socket_error("bind", name_);
		mnl_socket_close(socket_);
		throw error;
	}
	/* Only for better messages: kernels before 4.12 have none. */
	int one = 1;
	mnl_socket_setsockopt(socket_, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(socket_, NETLINK_CAP_ACK, &one, sizeof(one));
}

Netlink::~Netlink()
{
	mnl_socket_close(socket_);
}

bool Netlink::request(nlmsghdr *message, const Reply::Visit &visit, std::size_t header)
{
	message->nlmsg_seq = ++seq_;
	if (mnl_socket_sendto(socket_, message, message->nlmsg_len) < 0)
		throw socket_error("write to", name_);

	Reply reply(seq_, visit, header);
	std::vector<std::byte> in(datagram_size);
	for (;;) {
		ssize_t size = mnl_socket_recvfrom(socket_, in.data(), in.size());
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			throw socket_error("read from", name_);
		if (reply.feed(Bytes(in).first(static_cast<std::size_t>(size))))
			return !reply.interrupted();
	}
}

} // namespace lqctl
