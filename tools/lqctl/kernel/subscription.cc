// SPDX-License-Identifier: GPL-2.0
/* The multicast group "events" of this network namespace, as it is read. */
#include "kernel/subscription.hh"

#include <fmt/core.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/listenq.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "base/error.hh"
#include "wire/datagram.hh"

namespace lqctl {

namespace {

/* The controller's group "notify" has the number of its family (net/netlink/genetlink.c). */
constexpr int notify_group = GENL_ID_CTRL;

Error failed(const char *what)
{
	return Error(fmt::format("cannot {}: {}", what, std::generic_category().message(errno)));
}

bool is_family(Bytes attributes, std::uint16_t family)
{
	bool is = false;
	for_each_attr(attributes, [&](const Attr &attr) {
		if (attr.type() == CTRL_ATTR_FAMILY_ID)
			is = attr.number<std::uint16_t>() == family;
	});
	return is;
}

} // namespace

Contents read_events(Bytes datagram, std::uint16_t family,
		     const std::function<void(Bytes attributes)> &visit)
{
	Contents contents = Contents::events;

	for_each_message(
		datagram,
		[&](const nlmsghdr &header, Bytes payload) {
			genlmsghdr genl;
			if (header.nlmsg_type != family && header.nlmsg_type != GENL_ID_CTRL)
				return true;
			if (payload.size() < GENL_HDRLEN)
				throw_malformed_attributes();
			std::memcpy(&genl, payload.data(), sizeof(genl));
			const Bytes attributes = payload.subspan(GENL_HDRLEN);
			if (header.nlmsg_type == family) {
				if (genl.cmd == LISTENQ_CMD_EVENT)
					visit(attributes);
			} else if (genl.cmd == CTRL_CMD_DELFAMILY &&
				   is_family(attributes, family)) {
				contents = Contents::family_gone;
			}
			return contents == Contents::events;
		},
		throw_malformed_attributes);
	return contents;
}

Subscription::Subscription(const Family &family)
    : socket_(mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC | SOCK_NONBLOCK)), family_(family.id)
{
	if (!socket_)
		throw failed("open a generic netlink socket");
	if (!family.events_group) {
		mnl_socket_close(socket_);
		throw Error("the loaded listenq module sends no events: install module and lqctl "
			    "of the same release",
			    Exit::no_module);
	}
	int group = static_cast<int>(family.events_group), notify = notify_group;
	if (mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(socket_, NETLINK_ADD_MEMBERSHIP, &notify, sizeof(notify)) < 0 ||
	    mnl_socket_setsockopt(socket_, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
		const Error error = failed("join the netlink group of listenq's events");
		mnl_socket_close(socket_);
		throw error;
	}
}

Subscription::~Subscription()
{
	mnl_socket_close(socket_);
}

int Subscription::fd() const
{
	return mnl_socket_get_fd(socket_);
}

void Subscription::read(const std::function<void(Bytes attributes)> &visit,
			const std::function<void()> &lost)
{
	std::vector<std::byte> in(32768);
	for (;;) {
		const ssize_t size = mnl_socket_recvfrom(socket_, in.data(), in.size());
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && errno == EAGAIN)
			return;
		if (size < 0 && errno == ENOBUFS) {
			lost();
			continue;
		}
		if (size < 0)
			throw failed("read listenq's events");
		if (read_events(Bytes(in).first(static_cast<std::size_t>(size)), family_, visit) ==
		    Contents::family_gone)
			throw module_unloaded();
	}
}

} // namespace lqctl
