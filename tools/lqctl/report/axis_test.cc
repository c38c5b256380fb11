// SPDX-License-Identifier: GPL-2.0
#include "report/axis.hh"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace lqctl;

namespace {

using Ticks = std::vector<double>;

constexpr std::int64_t second = 1'000'000;
/* 2025-11-21T10:31:02.5Z */
constexpr std::int64_t begin_ns = 1763721062'500'000'000;

std::vector<std::string> texts(const std::vector<TimeTick> &ticks)
{
	std::vector<std::string> all;
	for (const TimeTick &tick : ticks)
		all.push_back(tick.text);
	return all;
}

TEST(axis, value_ticks__steps_are_1_2_5)
{
	EXPECT_EQ(value_ticks(4, 4, true), (Ticks{0, 1, 2, 3, 4}));
	EXPECT_EQ(value_ticks(9, 4, true), (Ticks{0, 5, 10}));
	EXPECT_EQ(value_ticks(17, 4, true), (Ticks{0, 5, 10, 15, 20}));
	EXPECT_EQ(value_ticks(100, 5, false), (Ticks{0, 20, 40, 60, 80, 100}));
	EXPECT_EQ(value_ticks(4097, 4, true), (Ticks{0, 2000, 4000, 6000}));
}

TEST(axis, value_ticks__whole_numbers_only)
{
	EXPECT_EQ(value_ticks(1, 4, true), (Ticks{0, 1}));
	EXPECT_EQ(value_ticks(2, 4, true), (Ticks{0, 1, 2}));
	const Ticks parts = value_ticks(1, 4, false);
	ASSERT_EQ(parts.size(), 3u);
	EXPECT_DOUBLE_EQ(parts[1], 0.5);
}

TEST(axis, value_ticks__nothing_to_show)
{
	for (const double largest :
	     {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
		EXPECT_EQ(value_ticks(largest, 4, true), (Ticks{0, 1}));
}

TEST(axis, value_ticks__reach_the_largest)
{
	for (double largest = 1e-6; largest < 1e18; largest *= 1.37) {
		const Ticks ticks = value_ticks(largest, 4, false);
		EXPECT_GE(ticks.back(), largest * (1 - 1e-6)) << largest;
		EXPECT_LE(ticks.size(), 6u) << largest;
		EXPECT_GE(ticks.size(), 2u) << largest;
	}
}

TEST(axis, time_ticks__are_round_times_of_day)
{
	EXPECT_EQ(texts(time_ticks(begin_ns, 60 * second, 8)),
		  (std::vector<std::string>{"10:31:10", "10:31:20", "10:31:30", "10:31:40",
					    "10:31:50", "10:32:00"}));
	EXPECT_EQ(time_ticks(begin_ns, 60 * second, 8)[0].us, 7'500'000);
	EXPECT_EQ(texts(time_ticks(begin_ns, 3600 * second, 4)),
		  (std::vector<std::string>{"10:45:00", "11:00:00", "11:15:00", "11:30:00"}));
}

TEST(axis, time_ticks__short_and_long)
{
	EXPECT_EQ(texts(time_ticks(begin_ns, 2 * second, 4)),
		  (std::vector<std::string>{"10:31:02.5", "10:31:03.0", "10:31:03.5", "10:31:04.0",
					    "10:31:04.5"}));
	EXPECT_EQ(texts(time_ticks(begin_ns, 2 * 86400 * second, 4)),
		  (std::vector<std::string>{"Nov 21 12:00", "Nov 22 00:00", "Nov 22 12:00",
					    "Nov 23 00:00"}));
	EXPECT_LE(time_ticks(begin_ns, 0, 8).size(), 1u);
	/* Ten years: no more than were asked for, and one. */
	EXPECT_LE(time_ticks(begin_ns, 3653LL * 86400 * second, 8).size(), 9u);
}

TEST(axis, number_text)
{
	EXPECT_EQ(number_text(0), "0");
	EXPECT_EQ(number_text(7), "7");
	EXPECT_EQ(number_text(9999), "9999");
	EXPECT_EQ(number_text(0.25), "0.25");
	EXPECT_EQ(number_text(0.5), "0.5");
	EXPECT_EQ(number_text(3.14159), "3.14");
	EXPECT_EQ(number_text(31.4159), "31.4");
	EXPECT_EQ(number_text(314.159), "314");
	EXPECT_EQ(number_text(12345), "12.3k");
	EXPECT_EQ(number_text(999'999), "1M");
	EXPECT_EQ(number_text(4.5e9), "4.5G");
	EXPECT_EQ(number_text(0.001), "<0.01");
	EXPECT_EQ(number_text(-3), "-3");
	EXPECT_EQ(number_text(std::nan("")), "-");
}

TEST(axis, grouped)
{
	EXPECT_EQ(grouped(0), "0");
	EXPECT_EQ(grouped(999), "999");
	EXPECT_EQ(grouped(1000), "1\u202f000");
	EXPECT_EQ(grouped(1234567), "1\u202f234\u202f567");
	EXPECT_EQ(grouped(~std::uint64_t{0}),
		  "18\u202f446\u202f744\u202f073\u202f709\u202f551\u202f615");
}

} // namespace
