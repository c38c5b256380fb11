// SPDX-License-Identifier: GPL-2.0
#include "model/dropped.hh"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/listenq.h>

#include "base/error.hh"

using namespace lqctl;

namespace {

DroppedPrefix prefix(const char *text, unsigned length, std::uint32_t count, std::uint32_t excess)
{
	DroppedPrefix p{.length = length, .count = count, .excess = excess};

	p.address.family =
		std::string_view(text).find(':') != std::string_view::npos ? AF_INET6 : AF_INET;
	EXPECT_EQ(inet_pton(p.address.family, text, p.address.bytes.data()), 1);
	return p;
}

TEST(dropped, from_attributes)
{
	alignas(nlmsghdr) char bytes[512];
	nlmsghdr *message = mnl_nlmsg_put_header(bytes);
	const std::uint8_t v4[] = {192, 0, 2, 0}, v6[16] = {0x20, 1, 0x0d, 0xb8};

	mnl_attr_put_u64(message, LISTENQ_A_DROPPED_LISTENER, 3);
	mnl_attr_put_u32(message, LISTENQ_A_DROPPED_TOTAL, 90);
	for (const bool is_v6 : {false, true}) {
		nlattr *nest = mnl_attr_nest_start(message, LISTENQ_A_DROPPED_PREFIX);
		mnl_attr_put(message, LISTENQ_A_PREFIX_ADDR, is_v6 ? 16 : 4, is_v6 ? v6 : v4);
		mnl_attr_put_u32(message, LISTENQ_A_PREFIX_LENGTH, is_v6 ? 64 : 24);
		mnl_attr_put_u32(message, LISTENQ_A_PREFIX_COUNT, is_v6 ? 30 : 50);
		mnl_attr_put_u32(message, LISTENQ_A_PREFIX_EXCESS, is_v6 ? 1 : 0);
		mnl_attr_nest_end(message, nest);
	}
	mnl_attr_put_u32(message, LISTENQ_A_DROPPED_MAX + 1, 7); /* of a newer module */
	const auto *payload = static_cast<const std::byte *>(mnl_nlmsg_get_payload(message));
	const Dropped dropped = parse_dropped(Bytes(payload, mnl_nlmsg_get_payload_len(message)));

	EXPECT_EQ(to_json(dropped).dump(),
		  R"({"total":90,"prefixes":[{"prefix":"192.0.2.0/24","at_least":50,"at_most":50},)"
		  R"({"prefix":"2001:db8::/64","at_least":29,"at_most":30}]})");
}

TEST(dropped, names_who_has_a_tenth_for_certain)
{
	Dropped d{.total = 100,
		  .prefixes = {prefix("198.51.100.0", 24, 40, 35),
			       prefix("2001:db8:1:2::", 64, 30, 2), prefix("192.0.2.0", 24, 12, 2),
			       prefix("203.0.113.0", 24, 9, 0)}};

	EXPECT_EQ(to_string(d), "2001:db8:1:2::/64 28 %, 192.0.2.0/24 10 %");
	d.total = 1000;
	EXPECT_EQ(to_string(d), "");
	EXPECT_EQ(to_string(Dropped{.total = 3, .prefixes = {prefix("192.0.2.0", 24, 3, 0)}}), "");
	EXPECT_EQ(to_string(Dropped{}), "");
}

} // namespace
