// SPDX-License-Identifier: GPL-2.0
#include "model/crowd.hh"

#include <arpa/inet.h>
#include <gtest/gtest.h>

using namespace lqctl;

namespace {

Address address(const char *text)
{
	Address a;
	a.family = std::string_view(text).find(':') == std::string_view::npos ? AF_INET : AF_INET6;
	EXPECT_EQ(inet_pton(a.family, text, a.bytes.data()), 1) << text;
	return a;
}

TEST(crowd, peers__the_most_frequent_first)
{
	Crowd crowd;
	for (const char *peer : {"10.0.0.2", "10.0.0.1", "10.0.0.2", "10.0.1.9"})
		crowd.add(address(peer));
	EXPECT_EQ(crowd.count(), 4u);
	const auto peers = crowd.peers(2);
	ASSERT_EQ(peers.size(), 2u);
	EXPECT_EQ(peers[0].who, "10.0.0.2");
	EXPECT_EQ(peers[0].count, 2u);
	EXPECT_EQ(peers[1].who, "10.0.0.1");
	const auto prefixes = crowd.prefixes(9);
	ASSERT_EQ(prefixes.size(), 2u);
	EXPECT_EQ(prefixes[0].who, "10.0.0.0/24");
	EXPECT_EQ(prefixes[0].count, 3u);
	EXPECT_EQ(crowd.text(), "10.0.0.2 2 (50 %), 10.0.0.1 1 (25 %), 10.0.1.9 1 (25 %)");
}

TEST(crowd, text__a_prefix_where_it_says_more_and_nobody_where_none_stands_out)
{
	Crowd one, many;
	for (unsigned i = 0; i < 100; i++) {
		one.add(address(("10.1.1." + std::to_string(i)).c_str()));
		many.add(address(("10.2." + std::to_string(i) + ".1").c_str()));
	}
	EXPECT_EQ(one.text(), "10.1.1.0/24 100 (100 %)");
	EXPECT_EQ(many.text(), "");
	EXPECT_EQ(Crowd().text(), "");
	EXPECT_EQ(many.to_json()["peers"].size(), 10u);
}

TEST(crowd, add__ipv6_by_64_bits_and_mapped_ones_as_ipv4)
{
	Crowd crowd;
	crowd.add(address("2001:db8::1"));
	crowd.add(address("2001:db8::2"));
	crowd.add(address("::ffff:192.0.2.1"));
	EXPECT_EQ(crowd.prefixes(1)[0].who, "2001:db8::/64");
	EXPECT_EQ(crowd.prefixes(2)[1].who, "192.0.2.0/24");
}

} // namespace
