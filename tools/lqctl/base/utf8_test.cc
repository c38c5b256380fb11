// SPDX-License-Identifier: GPL-2.0
#include "base/utf8.hh"

#include <gtest/gtest.h>

using namespace lqctl;

namespace {

TEST(utf8, what_is_valid_stays)
{
	for (const char *text : {"", "nginx", "a\nb\t", "\xc3\xa9", "\xe2\x82\xac",
				 "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xee\x80\x80"})
		EXPECT_EQ(valid_utf8(text), text);
	EXPECT_EQ(valid_utf8(std::string(1, '\0')), std::string(1, '\0'));
}

TEST(utf8, each_wrong_byte_is_replaced)
{
	const std::string bad = "\xef\xbf\xbd";

	EXPECT_EQ(valid_utf8("a\xff"), "a" + bad);
	EXPECT_EQ(valid_utf8("\x80z"), bad + "z");
	EXPECT_EQ(valid_utf8("\xc3"), bad);
	EXPECT_EQ(valid_utf8("\xc3(\xc3\xa9"), bad + "(\xc3\xa9");
	EXPECT_EQ(valid_utf8("\xe2\x82"), bad + bad);
	EXPECT_EQ(valid_utf8("\xc0\xaf"), bad + bad);
	EXPECT_EQ(valid_utf8("\xe0\x80\xaf"), bad + bad + bad);
	EXPECT_EQ(valid_utf8("\xed\xa0\x80"), bad + bad + bad);
	EXPECT_EQ(valid_utf8("\xf0\x80\x80\xaf"), bad + bad + bad + bad);
	EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80"), bad + bad + bad + bad);
	EXPECT_EQ(valid_utf8("\xf8\x88"), bad + bad);
}

} // namespace
