/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel answers to one netlink request: messages, then an end or an error. */
#pragma once

#include <linux/genetlink.h>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

#include "wire/attr.hh"

namespace lqctl {

/* The kernel refused: an errno, and its own words (extended ACK) where it gave some. */
class NetlinkError final : public std::runtime_error {
public:
	NetlinkError(int code, std::string extack);
	[[nodiscard]] int code() const { return code_; }
	[[nodiscard]] const std::string &extack() const { return extack_; }

private:
	int code_;
	std::string extack_;
};

class Reply final {
public:
	/*
	 * visit is called with what each message that answers request seq has behind a header of
	 * its own, of @header bytes: generic netlink's unless given.
	 */
	using Visit = std::function<void(Bytes payload)>;
	Reply(std::uint32_t seq, Visit visit, std::size_t header = GENL_HDRLEN)
	    : seq_(seq), visit_(std::move(visit)), header_(header)
	{
	}

	/* One datagram; true: it was the last. Throws NetlinkError. */
	[[nodiscard]] bool feed(Bytes datagram);

	/* The dump is inconsistent: what it describes changed meanwhile. */
	[[nodiscard]] bool interrupted() const { return interrupted_; }

private:
	/* One message that answers; true: it was the last. */
	[[nodiscard]] bool take(const nlmsghdr &header, Bytes payload);

	std::uint32_t seq_;
	Visit visit_;
	std::size_t header_;
	bool interrupted_ = false;
};

} // namespace lqctl
