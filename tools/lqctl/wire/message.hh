/* SPDX-License-Identifier: GPL-2.0 */
/* For tests: netlink messages as the kernel would send them, built by libmnl in memory. */
#pragma once

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "wire/attr.hh"

namespace lqctl::testing {

class Message final {
public:
	explicit Message(std::uint16_t type = 0x20, std::uint32_t seq = 1, std::uint16_t flags = 0)
	    : buffer_(8192), header_(mnl_nlmsg_put_header(buffer_.data()))
	{
		header_->nlmsg_type = type;
		header_->nlmsg_seq = seq;
		header_->nlmsg_flags = flags;
		if (type >= NLMSG_MIN_TYPE)
			mnl_nlmsg_put_extra_header(header_, GENL_HDRLEN);
	}
	Message(const Message &) = delete;
	Message &operator=(const Message &) = delete;

	[[nodiscard]] nlmsghdr *header() { return header_; }

	Message &u8(std::uint16_t type, std::uint8_t value)
	{
		mnl_attr_put_u8(header_, type, value);
		return *this;
	}
	Message &u16(std::uint16_t type, std::uint16_t value)
	{
		mnl_attr_put_u16(header_, type, value);
		return *this;
	}
	Message &u32(std::uint16_t type, std::uint32_t value)
	{
		mnl_attr_put_u32(header_, type, value);
		return *this;
	}
	Message &u64(std::uint16_t type, std::uint64_t value)
	{
		mnl_attr_put_u64(header_, type, value);
		return *this;
	}
	Message &text(std::uint16_t type, const char *value)
	{
		mnl_attr_put_strz(header_, type, value);
		return *this;
	}
	Message &bytes(std::uint16_t type, const std::vector<std::uint8_t> &value)
	{
		mnl_attr_put(header_, type, value.size(), value.data());
		return *this;
	}
	Message &u64s(std::uint16_t type, const std::vector<std::uint64_t> &values)
	{
		mnl_attr_put(header_, type, values.size() * sizeof(values[0]), values.data());
		return *this;
	}
	/* Calls fill() between the nest's start and end. */
	template <typename F>
	Message &nest(std::uint16_t type, F fill)
	{
		nlattr *start = mnl_attr_nest_start(header_, type);
		fill();
		mnl_attr_nest_end(header_, start);
		return *this;
	}
	/* Whatever comes after a non-genetlink header: an nlmsgerr, an int. */
	template <typename T>
	Message &raw(const T &value)
	{
		auto *to = mnl_nlmsg_put_extra_header(header_, sizeof(value));
		std::memcpy(to, &value, sizeof(value));
		return *this;
	}

	[[nodiscard]] Bytes datagram() const { return Bytes(buffer_).first(header_->nlmsg_len); }
	[[nodiscard]] Bytes attributes() const
	{
		return datagram().subspan(NLMSG_HDRLEN + GENL_HDRLEN);
	}

private:
	std::vector<std::byte> buffer_;
	nlmsghdr *header_;
};

} // namespace lqctl::testing
