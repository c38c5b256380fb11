// SPDX-License-Identifier: GPL-2.0
// Histogram: each percentile is within 10 % of the true one; no count is lost as its low part
// wraps.
#include "core/histogram.hh"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "property.hh"

using listenq::Histogram;
using listenq::wait_bucket;

namespace {

using Buckets = std::array<u64, LISTENQ_WAIT_BUCKETS>;

// As uapi/linux/listenq.h says it to clients.
u64 from(u32 bucket)
{
	return LISTENQ_WAIT_FROM(bucket);
}
double middle(u32 bucket)
{
	const double low = static_cast<double>(from(bucket));
	const double high = static_cast<double>(from(bucket + 1) - 1);

	return bucket == 0 ? 0 : 2 * low * high / (low + high);
}

double percentile(const Buckets &buckets, size_t rank)
{
	size_t sum = 0;

	for (u32 i = 0; i < LISTENQ_WAIT_BUCKETS; i++) {
		sum += buckets[i];
		if (sum > rank)
			return middle(i);
	}
	return -1;
}

// Of each hundredth the nearest rank.
bool within_10_percent(std::vector<u32> samples)
{
	Histogram<> histogram;
	Buckets buckets{};

	for (const u32 us : samples)
		histogram.add(us);
	histogram.add_to(buckets.data());
	std::sort(samples.begin(), samples.end());
	for (unsigned percent = 1; percent <= 100; percent++) {
		const size_t rank = (samples.size() * percent + 99) / 100 - 1;
		const double truth = samples[rank];

		if (std::abs(percentile(buckets, rank) - truth) > truth / 10)
			return false;
	}
	return true;
}

TEST(histogram, buckets__one_behind_the_other)
{
	EXPECT_EQ(from(0), 0u);
	EXPECT_EQ(from(LISTENQ_WAIT_BUCKETS), u64{1} << 32);
	for (u32 i = 0; i < LISTENQ_WAIT_BUCKETS; i++) {
		ASSERT_LT(from(i), from(i + 1)) << i;
		ASSERT_EQ(wait_bucket(static_cast<u32>(from(i))), i);
		ASSERT_EQ(wait_bucket(static_cast<u32>(from(i + 1) - 1)), i);
	}
}

// What is told of a bucket is no farther than 10 % from any time in it: so whatever was counted, no
// percentile is.
TEST(histogram, buckets__all_that_one_holds_is_within_10_percent)
{
	for (u32 i = 0; i < LISTENQ_WAIT_BUCKETS; i++) {
		const double low = static_cast<double>(from(i));
		const double high = static_cast<double>(from(i + 1) - 1);

		EXPECT_LE(middle(i) - low, low / 10) << i;
		EXPECT_LE(high - middle(i), high / 10) << i;
		// Rounded, as tools show it.
		EXPECT_LE(std::round(middle(i)) - low, low / 10) << i;
		EXPECT_LE(high - std::round(middle(i)), high / 10) << i;
	}
}

TEST(histogram, percentiles__within_10_percent_of_the_true_ones)
{
	// Of all lengths alike, as numbers alone would nearly all be long.
	const auto time =
		rc::gen::map(rc::gen::pair(rc::gen::inRange(0, 32), rc::gen::arbitrary<u32>()),
			     [](const std::pair<int, u32> &p) {
				     return static_cast<u32>(((u64{1} << p.first) - 1 +
							      p.second % (u64{1} << p.first)));
			     });
	property("each percentile of any times", [=] {
		const auto samples = *rc::gen::nonEmpty(rc::gen::container<std::vector<u32>>(time));
		RC_ASSERT(within_10_percent(samples));
	});
	// Each bucket's ends alone, and against its neighbour.
	for (u32 i = 0; i < LISTENQ_WAIT_BUCKETS; i++) {
		const u32 low = static_cast<u32>(from(i)), high = static_cast<u32>(from(i + 1) - 1);

		EXPECT_TRUE(within_10_percent({low})) << i;
		EXPECT_TRUE(within_10_percent({high})) << i;
		EXPECT_TRUE(within_10_percent({low, high, high + 1})) << i;
	}
	EXPECT_TRUE(within_10_percent(std::vector<u32>(1000, 0xffffffff)));
}

TEST(histogram, counts__are_whole_as_the_low_part_wraps)
{
	Histogram<u8> histogram;
	Buckets buckets{};

	for (unsigned i = 0; i < 1000; i++)
		histogram.add(500);
	for (unsigned i = 0; i < 3; i++)
		histogram.add(7);
	histogram.add_to(buckets.data());
	EXPECT_EQ(buckets[wait_bucket(500)], 1000u);
	EXPECT_EQ(buckets[7], 3u);
	for (unsigned i = 0; i < 900; i++)
		histogram.take_back(500);
	histogram.add_to(buckets.data()); // to what is there
	EXPECT_EQ(buckets[wait_bucket(500)], 1100u);
	EXPECT_EQ(buckets[7], 6u);
}

TEST(histogram, octaves__as_powers_of_two)
{
	for (unsigned shift = 0; shift < 32; shift++) {
		for (const u32 us :
		     {u32{1} << shift, (u32{2} << shift) - 1, (u32{1} << shift) * 5 / 4}) {
			Buckets one{};
			u64 octaves[LISTENQ_HIST_BUCKETS];

			one[wait_bucket(us)] = 3;
			listenq::wait_octaves(one.data(), octaves);
			for (unsigned i = 0; i < LISTENQ_HIST_BUCKETS; i++)
				EXPECT_EQ(octaves[i],
					  i == std::min<unsigned>(31, std::bit_width(us)) ? 3u
											  : 0u);
		}
	}
	Buckets none{};
	u64 octaves[LISTENQ_HIST_BUCKETS];
	none[0] = 9;
	listenq::wait_octaves(none.data(), octaves);
	EXPECT_EQ(octaves[0], 9u);
}

} // namespace
