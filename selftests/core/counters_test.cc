// SPDX-License-Identifier: GPL-2.0
// Counters: by event, by drop reason, and the histogram of waiting for accept().
#include "core/counters.hh"

#include "property.hh"

using listenq::Counters;

TEST(counters, drop__one_reason_each)
{
	Counters counters;

	for (u8 reason = 0; reason < __LISTENQ_DROP_MAX; reason++)
		counters.drop(reason);
	EXPECT_EQ(counters.values().drops[LISTENQ_DROP_NONE], 0u);
	for (u8 reason = 1; reason < __LISTENQ_DROP_MAX; reason++)
		EXPECT_EQ(counters.values().drops[reason], 1u);
	// All but those that lose nothing.
	EXPECT_EQ(counters.drops_total(), u64{LISTENQ_DROP_MAX} - 2);
}

TEST(counters, drop__an_unknown_reason_is_ignored)
{
	Counters counters;

	counters.drop(__LISTENQ_DROP_MAX);
	counters.drop(255);
	EXPECT_EQ(counters.drops_total(), 0u);
}

TEST(counters, event__counts)
{
	Counters counters;

	counters.event(LISTENQ_EVENT_ACCEPTED);
	counters.event(LISTENQ_EVENT_ACCEPTED);
	EXPECT_EQ(counters.events(LISTENQ_EVENT_ACCEPTED), 2u);
	EXPECT_EQ(counters.events(LISTENQ_EVENT_ESTABLISHED), 0u);
}

TEST(counters, accept_wait__all_of_them)
{
	Counters counters;

	counters.accept_wait(0xffffffff);
	counters.accept_wait(0xffffffff);
	counters.accept_wait(7);
	EXPECT_EQ(counters.values().accept_wait_us, 2 * u64{0xffffffff} + 7);
	counters.accept_wait_back(0xffffffff);
	EXPECT_EQ(counters.values().accept_wait_us, u64{0xffffffff} + 7);
}

TEST(counters, accept_wait__borders_of_the_buckets)
{
	const auto bucket_of = [](u32 us) {
		Counters counters;

		counters.accept_wait(us);
		for (unsigned i = 0; i < LISTENQ_HIST_BUCKETS; i++) {
			if (counters.values().accept_wait[i])
				return i;
		}
		return 99u;
	};

	EXPECT_EQ(bucket_of(0), 0u);
	EXPECT_EQ(bucket_of(1), 1u);
	EXPECT_EQ(bucket_of(2), 2u);
	EXPECT_EQ(bucket_of(3), 2u);
	EXPECT_EQ(bucket_of(4), 3u);
	for (unsigned n = 1; n < 31; n++) {
		EXPECT_EQ(bucket_of(1u << (n - 1)), n);
		EXPECT_EQ(bucket_of((1u << n) - 1), n);
	}
	EXPECT_EQ(bucket_of(1u << 30), 31u);
	EXPECT_EQ(bucket_of(1u << 31), 31u); // the last has no upper end
	EXPECT_EQ(bucket_of(0xffffffff), 31u);
}
