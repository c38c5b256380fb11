// SPDX-License-Identifier: GPL-2.0
/* Replies: the kernel's include/uapi/linux/netlink.h, "Error messages", in code. */
#include "wire/reply.hh"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/error.hh"
#include "wire/datagram.hh"

namespace lqctl {

namespace {

[[noreturn]] void throw_truncated()
{
	throw Error("the kernel's netlink message is cut short: "
		    "use the lqctl that came with the module");
}

template <typename T>
T front(Bytes bytes)
{
	T value;
	if (bytes.size() < sizeof(value))
		throw_truncated();
	std::memcpy(&value, bytes.data(), sizeof(value));
	return value;
}

Bytes after(Bytes bytes, std::size_t skip)
{
	return skip < bytes.size() ? bytes.subspan(skip) : Bytes{};
}

std::string extack_text(const nlmsghdr &header, Bytes tlvs)
{
	std::string text;
	if (header.nlmsg_flags & NLM_F_ACK_TLVS)
		for_each_attr(tlvs, [&](const Attr &attr) {
			if (attr.type() == NLMSGERR_ATTR_MSG)
				text = attr.string();
		});
	return text;
}

/* NLMSG_ERROR: the error, the request's header, the request's payload unless capped, TLVs. */
void check_error(const nlmsghdr &header, Bytes payload)
{
	auto error = front<nlmsgerr>(payload);
	std::size_t skip = sizeof(error);

	if (error.error == 0)
		return;
	if (!(header.nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(std::max<std::size_t>(error.msg.nlmsg_len, NLMSG_HDRLEN)) -
			NLMSG_HDRLEN;
	throw NetlinkError(-error.error, extack_text(header, after(payload, skip)));
}

/* NLMSG_DONE: what the dump returned, TLVs. */
void check_done(const nlmsghdr &header, Bytes payload)
{
	if (payload.empty())
		return;
	auto error = front<int>(payload);
	if (error < 0)
		throw NetlinkError(-error, extack_text(header, after(payload, sizeof(error))));
}

} // namespace

NetlinkError::NetlinkError(int code, std::string extack)
    : std::runtime_error(extack.empty() ? std::generic_category().message(code)
					: fmt::format("{} ({})", extack,
						      std::generic_category().message(code))),
      code_(code), extack_(std::move(extack))
{
}

bool Reply::feed(Bytes datagram)
{
	bool last = false;

	for_each_message(
		datagram,
		[&](const nlmsghdr &header, Bytes payload) {
			last = header.nlmsg_seq == seq_ && take(header, payload);
			return !last;
		},
		throw_truncated);
	return last;
}

bool Reply::take(const nlmsghdr &header, Bytes payload)
{
	if (header.nlmsg_flags & NLM_F_DUMP_INTR)
		interrupted_ = true;
	switch (header.nlmsg_type) {
	case NLMSG_NOOP:
		return false;
	case NLMSG_ERROR:
		check_error(header, payload);
		return true;
	case NLMSG_DONE:
		check_done(header, payload);
		return true;
	default:
		if (payload.size() < header_)
			throw_truncated();
		visit_(payload.subspan(header_));
		return false;
	}
}

} // namespace lqctl
