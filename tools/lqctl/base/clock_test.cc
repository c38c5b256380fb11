// SPDX-License-Identifier: GPL-2.0
#include "base/clock.hh"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

using namespace lqctl;

namespace {

TEST(clock, utc)
{
	EXPECT_EQ(utc_text(0, 3), "1970-01-01T00:00:00.000Z");
	EXPECT_EQ(utc_text(1763721062123456789, 3), "2025-11-21T10:31:02.123Z");
	EXPECT_EQ(utc_text(1763721062003456789, 9), "2025-11-21T10:31:02.003456789Z");
	EXPECT_EQ(utc_text(UINT64_MAX, 3), "2554-07-21T23:34:33.709Z");
}

TEST(clock, time_of_day)
{
	setenv("TZ", "UTC-2", 1);
	tzset();
	EXPECT_EQ(time_of_day(1763721062123456789), "12:31:02");
}

TEST(clock, now)
{
	const std::uint64_t before = static_cast<std::uint64_t>(std::time(nullptr));
	EXPECT_GE(now_ns() / 1'000'000'000, before);
}

} // namespace
