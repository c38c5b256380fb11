// SPDX-License-Identifier: GPL-2.0
#include "base/timespan.hh"

#include <gtest/gtest.h>

#include "base/error.hh"

using namespace lqctl;
using namespace std::chrono_literals;

namespace {

Microseconds parse(std::string_view text)
{
	return parse_timespan(text, "interval", 10ms);
}

TEST(timespan, parse__units)
{
	EXPECT_EQ(parse("1"), 1s);
	EXPECT_EQ(parse("0.25"), 250ms);
	EXPECT_EQ(parse("10ms"), 10ms);
	EXPECT_EQ(parse("1.5s"), 1500ms);
	EXPECT_EQ(parse("2m"), 2min);
	EXPECT_EQ(parse("3h"), 3h);
	EXPECT_EQ(parse("1d"), 24h);
}

TEST(timespan, parse__what_is_none)
{
	for (const char *text :
	     {"", "s", "ms", "-1", "1x", "1 s", "1s ", "inf", "nan", "1e3", "1sm", "0x10", "+1"})
		EXPECT_THROW((void)parse(text), Error) << text;
}

TEST(timespan, parse__too_short_and_too_long)
{
	EXPECT_THROW((void)parse("0"), Error);
	EXPECT_THROW((void)parse("9.99ms"), Error);
	EXPECT_THROW((void)parse("4000d"), Error);
	EXPECT_THROW((void)parse("99999999999999999999999999d"), Error);
	try {
		(void)parse("1ms");
	} catch (const Error &error) {
		EXPECT_STREQ(error.what(), "the interval \"1ms\" is too short: 10 ms at least");
	}
}

TEST(timespan, text)
{
	EXPECT_EQ(timespan_text(0us), "0 us");
	EXPECT_EQ(timespan_text(999us), "999 us");
	EXPECT_EQ(timespan_text(250ms), "250 ms");
	EXPECT_EQ(timespan_text(12500ms), "12.5 s");
	EXPECT_EQ(timespan_text(60s), "1 min");
	EXPECT_EQ(timespan_text(65s), "1 min 5 s");
	EXPECT_EQ(timespan_text(2h), "2 h");
	EXPECT_EQ(timespan_text(25h + 30min), "1 d 1 h");
	EXPECT_EQ(timespan_text(-5s), "-5 s");
}

TEST(timespan, duration_text)
{
	EXPECT_EQ(duration_text(0), "0 us");
	EXPECT_EQ(duration_text(999), "999 us");
	EXPECT_EQ(duration_text(1500), "1.5 ms");
	EXPECT_EQ(duration_text(99'999), "99 ms");
	EXPECT_EQ(duration_text(3'600'000), "3.6 s");
	EXPECT_EQ(duration_text(240'000'000), "4 min");
}

} // namespace
