// SPDX-License-Identifier: GPL-2.0
#include "model/address.hh"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include "base/error.hh"

using namespace lqctl;

namespace {

Address address(const char *host, std::uint16_t port, bool v6only = false)
{
	Address a;
	a.family = std::string_view(host).find(':') == std::string_view::npos ? AF_INET : AF_INET6;
	EXPECT_EQ(inet_pton(a.family, host, a.bytes.data()), 1);
	a.port = port;
	a.v6only = v6only;
	return a;
}

TEST(address, to_string__ipv4)
{
	EXPECT_EQ(to_string(address("127.0.0.1", 8080), true), "127.0.0.1:8080");
	EXPECT_EQ(to_string(address("0.0.0.0", 80), true), "0.0.0.0:80");
}

TEST(address, to_string__ipv6_in_brackets)
{
	EXPECT_EQ(to_string(address("2001:db8::1", 80), true), "[2001:db8::1]:80");
}

TEST(address, to_string__dual_stack_wildcard)
{
	EXPECT_EQ(to_string(address("::", 80), true), "*:80");
	EXPECT_EQ(to_string(address("::", 80, true), true), "[::]:80");
}

TEST(address, to_string__interface)
{
	Address a = address("::", 80);
	a.ifindex = if_nametoindex("lo");
	ASSERT_NE(a.ifindex, 0u);
	EXPECT_EQ(to_string(a, true), "*%lo:80");
	a.ifindex = 999999;
	EXPECT_EQ(to_string(a, true), "*%if999999:80");
}

TEST(address, to_string__port_without_service_name)
{
	EXPECT_EQ(to_string(address("127.0.0.1", 64999), false), "127.0.0.1:64999");
}

TEST(filter, prefix)
{
	for (const char *text : {"127.0.0.0/8", "127.0.0.1/32", "0.0.0.0/0", "126.0.0.0/7:80"})
		EXPECT_TRUE(Filter(text).matches(address("127.0.0.1", 80))) << text;
	for (const char *text : {"127.0.0.2/31", "126.0.0.0/8", "::/0"})
		EXPECT_FALSE(Filter(text).matches(address("127.0.0.1", 80))) << text;
	EXPECT_TRUE(Filter("[2001:db8::/33]:80").matches(address("2001:db8:7fff::1", 80)));
	EXPECT_FALSE(Filter("2001:db8::/33").matches(address("2001:db8:8000::1", 80)));
}

TEST(filter, port)
{
	for (const char *text : {":8080", "8080", "*:8080"}) {
		EXPECT_TRUE(Filter(text).matches(address("127.0.0.1", 8080))) << text;
		EXPECT_TRUE(Filter(text).matches(address("::1", 8080))) << text;
		EXPECT_FALSE(Filter(text).matches(address("::1", 80))) << text;
	}
}

TEST(filter, address)
{
	EXPECT_TRUE(Filter("127.0.0.1").matches(address("127.0.0.1", 1)));
	EXPECT_FALSE(Filter("127.0.0.1").matches(address("127.0.0.2", 1)));
	EXPECT_TRUE(Filter("::1").matches(address("::1", 1)));
	EXPECT_TRUE(Filter("[::1]").matches(address("::1", 1)));
	EXPECT_FALSE(Filter("0.0.0.0").matches(address("::", 1)));
}

TEST(filter, address_and_port)
{
	EXPECT_TRUE(Filter("127.0.0.1:80").matches(address("127.0.0.1", 80)));
	EXPECT_FALSE(Filter("127.0.0.1:80").matches(address("127.0.0.1", 81)));
	EXPECT_TRUE(Filter("[::1]:80").matches(address("::1", 80)));
	EXPECT_FALSE(Filter("[::1]:80").matches(address("::2", 80)));
}

TEST(filter, bad__one_line_that_says_how)
{
	for (const char *text :
	     {"", ":", ":65536", ":-1", "127.0.0.1:", "localhost", "[::1", "[::1]x", "[::1]:", "[]",
	      "1.2.3", "::g", ":80x", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/x", "::1/129"}) {
		try {
			Filter filter{std::string_view(text)};
			ADD_FAILURE() << text;
		} catch (const Error &error) {
			EXPECT_NE(std::string(error.what()).find(":PORT"), std::string::npos);
			EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
			EXPECT_EQ(error.status(), Exit::failed);
		}
	}
}

TEST(filter, endpoint)
{
	EXPECT_EQ(Filter(":9").endpoint()->port, 9);
	EXPECT_FALSE(Filter(":9").endpoint()->address);
	EXPECT_FALSE(Filter("*:9").endpoint()->address);
	EXPECT_EQ(to_string(*Filter("127.0.0.1:9").endpoint()->address, true), "127.0.0.1:9");
	EXPECT_EQ(to_string(*Filter("[::1]:9").endpoint()->address, true), "[::1]:9");
	EXPECT_EQ(to_string(*Filter("10.0.0.0/32:9").endpoint()->address, true), "10.0.0.0:9");
	for (const char *text : {"127.0.0.1", "::1", "10.0.0.0/8", "10.0.0.0/8:9"})
		EXPECT_FALSE(Filter(text).endpoint()) << text;
}

TEST(serves, own_wildcard_and_mapped)
{
	const Address v4 = address("127.0.0.1", 9), v6 = address("::1", 9);
	Address any6 = address("::", 9);

	EXPECT_TRUE(serves(address("127.0.0.1", 9), v4));
	EXPECT_TRUE(serves(address("0.0.0.0", 9), v4));
	EXPECT_TRUE(serves(address("::ffff:127.0.0.1", 9), v4));
	EXPECT_TRUE(serves(any6, v4));
	EXPECT_TRUE(serves(any6, v6));
	EXPECT_TRUE(serves(v6, v6));
	EXPECT_FALSE(serves(address("127.0.0.2", 9), v4));
	EXPECT_FALSE(serves(address("0.0.0.0", 10), v4));
	EXPECT_FALSE(serves(address("::ffff:127.0.0.2", 9), v4));
	EXPECT_FALSE(serves(address("0.0.0.0", 9), v6));
	EXPECT_FALSE(serves(v6, v4));
	any6.v6only = true;
	EXPECT_FALSE(serves(any6, v4));
	EXPECT_TRUE(serves(any6, v6));
}

} // namespace
