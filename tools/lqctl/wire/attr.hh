/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A netlink attribute as the kernel sent it. Every length is checked: a reader meets an Error,
 * never bytes beyond the message.
 */
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace lqctl {

using Bytes = std::span<const std::byte>;

class Attr final {
public:
	Attr(std::uint16_t type, Bytes payload) : type_(type), payload_(payload) {}

	[[nodiscard]] std::uint16_t type() const { return type_; }
	[[nodiscard]] Bytes payload() const { return payload_; }

	/* A fixed-width integer in host byte order: attr.number<std::uint32_t>(). */
	template <typename T>
	[[nodiscard]] T number() const
	{
		T value;
		expect_size(sizeof(value));
		std::memcpy(&value, payload_.data(), sizeof(value));
		return value;
	}

	/* NLA_STRING or NLA_NUL_STRING: up to the first NUL, if there is one. */
	[[nodiscard]] std::string string() const;

private:
	void expect_size(std::size_t size) const;

	std::uint16_t type_;
	Bytes payload_;
};

[[noreturn]] void throw_malformed_attributes();

/* Calls visit(Attr) for each attribute of a message's or a nest's payload. */
template <typename F>
void for_each_attr(Bytes bytes, F visit)
{
	while (!bytes.empty()) {
		nlattr header;
		if (bytes.size() < sizeof(header))
			throw_malformed_attributes();
		std::memcpy(&header, bytes.data(), sizeof(header));
		if (header.nla_len < NLA_HDRLEN || header.nla_len > bytes.size())
			throw_malformed_attributes();
		visit(Attr(header.nla_type & NLA_TYPE_MASK,
			   bytes.subspan(NLA_HDRLEN, header.nla_len - NLA_HDRLEN)));
		/* The last attribute may come without its padding. */
		std::size_t next = NLA_ALIGN(header.nla_len);
		bytes = next < bytes.size() ? bytes.subspan(next) : Bytes{};
	}
}

} // namespace lqctl
