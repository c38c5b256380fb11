// SPDX-License-Identifier: GPL-2.0
#include "model/histogram.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include <algorithm>
#include <cmath>
#include <random>

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
	EXPECT_EQ(histogram(buckets({{10, 1}})).draw(ascii_glyphs, "").substr(0, 18),
		  "  512us - 1ms    1");
	EXPECT_EQ(histogram(buckets({{20, 1}})).draw(ascii_glyphs, "").substr(0, 18),
		  "  512ms - 1s     1");
	EXPECT_EQ(histogram(buckets({{31, 1}})).draw(ascii_glyphs, "").substr(0, 18),
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

/* As the kernel counts: the last bucket that begins before it, or there. */
Histogram fine(const std::vector<std::uint64_t> &times)
{
	std::vector<std::uint64_t> counts(LISTENQ_WAIT_BUCKETS);
	for (const std::uint64_t us : times) {
		std::size_t n = LISTENQ_WAIT_BUCKETS - 1;
		while (LISTENQ_WAIT_FROM(n) > us)
			n--;
		counts[n]++;
	}
	return Histogram(
		Attr(LISTENQ_A_LISTENER_ACCEPT_WAIT_FINE, std::as_bytes(std::span(counts))),
		Histogram::Scale::fine);
}

bool within_10_percent(std::vector<std::uint64_t> times)
{
	const Histogram all = fine(times);
	std::sort(times.begin(), times.end());
	for (const unsigned percent : {50u, 90u, 99u}) {
		const auto truth =
			static_cast<double>(times[(times.size() * percent + 99) / 100 - 1]);
		const auto told = static_cast<double>(all.percentile_us(percent).value());
		if (std::abs(told - truth) > truth / 10)
			return false;
	}
	return true;
}

TEST(histogram, fine__p50_p90_and_p99_are_within_10_percent)
{
	std::mt19937_64 random(20030317);
	for (unsigned round = 0; round < 2000; round++) {
		std::vector<std::uint64_t> times(1 + random() % 300);
		/* All of about one length, or of any. */
		const unsigned length = random() % 33;
		for (std::uint64_t &us : times)
			us = random() % (std::uint64_t{1} << (round % 2 ? length : random() % 33));
		ASSERT_TRUE(within_10_percent(times)) << round;
	}
	/* Of each bucket the first and the last. */
	for (std::size_t n = 0; n < LISTENQ_WAIT_BUCKETS; n++) {
		ASSERT_TRUE(within_10_percent({LISTENQ_WAIT_FROM(n)})) << n;
		ASSERT_TRUE(within_10_percent({LISTENQ_WAIT_FROM(n + 1) - 1})) << n;
	}
}

TEST(histogram, fine__in_words)
{
	const Histogram all = fine({5, 5, 1300, 1300, 1300, 1300, 9000, 9000, 9000, 70000});
	EXPECT_EQ(all.percentile_text(50), "no longer than 1.3 ms");
	EXPECT_EQ(all.percentiles_text(), "p50 1.3 ms, p90 8.8 ms, p99 71 ms");
	EXPECT_EQ(all.percentiles_json().dump(), R"({"p50_us":1331,"p90_us":8894,"p99_us":71153})");
	EXPECT_TRUE(fine({}).percentiles_json().is_null());
	EXPECT_TRUE(histogram(buckets({{3, 1}})).percentiles_json().is_null());
	EXPECT_EQ(histogram(buckets({{3, 1}})).percentile_text(50), "less than 8 us");
	EXPECT_EQ(histogram(buckets({{31, 1}})).percentile_text(50), "very long");
}

TEST(histogram, octaves__are_what_an_older_module_would_have_counted)
{
	for (unsigned shift = 0; shift < 32; shift++) {
		for (const std::uint64_t us :
		     {std::uint64_t{1} << shift, (std::uint64_t{2} << shift) - 1}) {
			std::vector<std::uint64_t> counts(LISTENQ_HIST_BUCKETS);
			counts[std::min(shift + 1, 31u)] = 1;
			EXPECT_EQ(fine({us}).to_json(), histogram(counts).to_json()) << us;
			EXPECT_EQ(fine({us}).draw(ascii_glyphs, ""),
				  histogram(counts).draw(ascii_glyphs, ""));
		}
	}
	EXPECT_EQ(fine({0}).to_json(), histogram(buckets({{0, 1}})).to_json());
	EXPECT_EQ(fine({0, 700}).cumulative().size(), 32u);
	EXPECT_EQ(fine({0, 700}).cumulative()[10].count, 2u);
	EXPECT_EQ(fine({0, 700}).cumulative()[9].count, 1u);
}

TEST(histogram, fine__to_json_and_back)
{
	const Histogram all = fine({0, 17, 17, 0xffffffff});
	EXPECT_EQ(all.fine_json().dump(),
		  R"([{"from_us":0,"to_us":1,"count":1},{"from_us":16,"to_us":19,"count":2},)"
		  R"({"from_us":3623878656,"to_us":4294967296,"count":1}])");
	EXPECT_EQ(Histogram::from_fine_json(all.fine_json()).fine_json(), all.fine_json());
	EXPECT_TRUE(histogram(buckets({{0, 5}})).fine_json().is_null());
	EXPECT_THROW((void)Histogram::from_fine_json(
			     nlohmann::json::parse(R"([{"from_us": 17, "count": 1}])")),
		     Error);
}

TEST(histogram, fine__beside_an_older_one)
{
	const Histogram before = histogram(buckets({{5, 2}})); /* 16 to 31 us */
	const Histogram meanwhile = fine({17, 17, 30, 900}).since(before);
	EXPECT_FALSE(meanwhile.fine());
	EXPECT_EQ(meanwhile.count(), 2u);
	EXPECT_TRUE(fine({17}).since(Histogram()).fine()) << "nothing is of any scale";
	EXPECT_EQ(fine({17, 17, 40}).since(fine({17})).fine_json(), fine({17, 40}).fine_json());
	Histogram sum;
	sum.add(fine({17}));
	EXPECT_TRUE(sum.fine());
	sum.add(before);
	EXPECT_FALSE(sum.fine());
	EXPECT_EQ(sum.to_json()[5]["count"], 3);
	sum.add(fine({17}));
	EXPECT_EQ(sum.to_json()[5]["count"], 4);
}

TEST(histogram, fine__bad_size)
{
	std::vector<std::uint64_t> counts(LISTENQ_WAIT_BUCKETS + 1);
	EXPECT_THROW(Histogram(Attr(1, std::as_bytes(std::span(counts))), Histogram::Scale::fine),
		     Error);
}

} // namespace
