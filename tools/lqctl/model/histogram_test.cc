// SPDX-License-Identifier: GPL-2.0
#include "model/histogram.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include "base/error.hh"

using namespace lqctl;

namespace {

Histogram histogram(const std::vector<std::uint64_t> &buckets)
{
	return Histogram(Attr(LISTENQ_A_LISTENER_ACCEPT_WAIT, std::as_bytes(std::span(buckets))));
}

std::vector<std::uint64_t> buckets(std::initializer_list<std::pair<int, std::uint64_t>> set)
{
	std::vector<std::uint64_t> all(LISTENQ_HIST_BUCKETS);
	for (auto [bucket, count] : set)
		all[static_cast<std::size_t>(bucket)] = count;
	return all;
}

TEST(histogram, empty)
{
	EXPECT_TRUE(Histogram().empty());
	EXPECT_TRUE(histogram(buckets({})).empty());
	EXPECT_FALSE(histogram(buckets({{31, 1}})).empty());
	EXPECT_EQ(histogram(buckets({})).draw(ascii_glyphs, ""), "");
}

TEST(histogram, draw__from_first_to_last_used_bucket)
{
	EXPECT_EQ(histogram(buckets({{0, 1}, {2, 4}})).draw(ascii_glyphs, "  "),
		  "      0us - 1us    1 #########\n"
		  "      1us - 2us    0\n"
		  "      2us - 4us    4 ####################################\n");
}

TEST(histogram, draw__units)
{
	EXPECT_EQ(histogram(buckets({{10, 1}})).draw({"", "x"}, "").substr(0, 18),
		  "  512us - 1ms    1");
	EXPECT_EQ(histogram(buckets({{20, 1}})).draw({"", "x"}, "").substr(0, 18),
		  "  512ms - 1s     1");
	EXPECT_EQ(histogram(buckets({{31, 1}})).draw({"", "x"}, "").substr(0, 18),
		  "     >= 1024s    1");
}

TEST(histogram, draw__a_single_count_is_seen_and_lines_fit)
{
	std::string text = histogram(buckets({{3, 1}, {4, 1ull << 60}})).draw(ascii_glyphs, "    ");
	EXPECT_EQ(text.substr(0, text.find('\n')).back(), '#');
	EXPECT_LE(text.size() - text.find('\n'), 81u);
}

TEST(histogram, parse__other_numbers_of_buckets)
{
	EXPECT_EQ(histogram({1, 2, 3}).to_json().size(), 3u);
	EXPECT_EQ(histogram(std::vector<std::uint64_t>(64)).to_json().size(), 64u);
}

TEST(histogram, parse__bad_size)
{
	std::vector<std::byte> bytes(12);
	EXPECT_THROW(Histogram(Attr(1, bytes)), Error);
	EXPECT_THROW(histogram(std::vector<std::uint64_t>(65)), Error);
}

TEST(histogram, to_json__ranges)
{
	auto json = histogram(buckets({{0, 5}})).to_json();
	ASSERT_EQ(json.size(), 32u);
	EXPECT_EQ(json[0].dump(), R"({"from_us":0,"to_us":1,"count":5})");
	EXPECT_EQ(json[3].dump(), R"({"from_us":4,"to_us":8,"count":0})");
	EXPECT_EQ(json[31].dump(), R"({"from_us":1073741824,"to_us":null,"count":0})");
}

TEST(histogram, since__what_was_counted_meanwhile)
{
	const Histogram before(std::vector<std::uint64_t>{1, 5, 2});
	const Histogram now(std::vector<std::uint64_t>{4, 5, 1});
	const Histogram meanwhile = now.since(before);
	EXPECT_EQ(meanwhile.count(), 3u) << "one was counted back";
	EXPECT_EQ(meanwhile.percentile_us(99), 1u);
	EXPECT_TRUE(now.since(now).empty());
	EXPECT_EQ(now.since(Histogram()).count(), 10u);
}

} // namespace
