// SPDX-License-Identifier: GPL-2.0
#include "decimal.hh"

#include <gtest/gtest.h>

#include <climits>

using lqrun::own_backlog;
using lqrun::parse_backlog;
using lqrun::parse_decimal;

namespace {

TEST(parse_decimal, numbers)
{
	int n = -1;
	EXPECT_TRUE(parse_decimal("0", INT_MAX, n) && n == 0);
	EXPECT_TRUE(parse_decimal("1024", INT_MAX, n) && n == 1024);
	EXPECT_TRUE(parse_decimal("007", INT_MAX, n) && n == 7);
	EXPECT_TRUE(parse_decimal("2147483647", INT_MAX, n) && n == INT_MAX);
}

TEST(parse_decimal, bad)
{
	int n = -1;
	for (const char *text : {"", "-1", "+1", " 1", "1 ", "1k", "0x10", "1.5", "2147483648",
				 "99999999999999999999999999999999"})
		EXPECT_FALSE(parse_decimal(text, INT_MAX, n)) << text;
	EXPECT_EQ(n, -1);
}

TEST(parse_backlog, numbers_and_minus_one)
{
	EXPECT_EQ(parse_backlog("0"), 0);
	EXPECT_EQ(parse_backlog("2147483647"), INT_MAX);
	EXPECT_EQ(parse_backlog("-1"), -1);
	for (const char *text : {"", "-", "-2", "-10", "-1 ", "--1", "many", "2147483648"})
		EXPECT_EQ(parse_backlog(text), own_backlog) << text;
	EXPECT_EQ(parse_backlog(nullptr), own_backlog);
}

} // namespace
