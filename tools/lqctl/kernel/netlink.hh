/* SPDX-License-Identifier: GPL-2.0 */
/* A netlink socket: one request after the other, each with all of its answer. */
#pragma once

#include <cstdint>

#include "wire/reply.hh"

struct mnl_socket;
struct nlmsghdr;

namespace lqctl {

class Netlink final {
public:
	/* @bus: NETLINK_*; @name: its name in messages. */
	Netlink(int bus, const char *name);
	~Netlink();
	Netlink(const Netlink &) = delete;
	Netlink &operator=(const Netlink &) = delete;

	/*
	 * @visit: what each message of the answer has behind @header bytes. False: the dump was
	 * interrupted. Throws NetlinkError.
	 */
	[[nodiscard]] bool request(nlmsghdr *message, const Reply::Visit &visit,
				   std::size_t header);

private:
	mnl_socket *socket_;
	const char *name_;
	std::uint32_t seq_ = 0;
};

} // namespace lqctl
