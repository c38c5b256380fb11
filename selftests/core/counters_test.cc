// SPDX-License-Identifier: GPL-2.0
// Counters: by event, by drop reason, and the times of connections.
#include "core/counters.hh"

#include "property.hh"

using listenq::Counters;

static lq_counters values(const Counters &counters)
{
	lq_counters all{};

	counters.add_to(all);
	return all;
}

TEST(counters, drop__one_reason_each)
{
	Counters counters;

	for (u8 reason = 0; reason < __LISTENQ_DROP_MAX; reason++)
		counters.drop(reason);
	EXPECT_EQ(values(counters).drops[LISTENQ_DROP_NONE], 0u);
	for (u8 reason = 1; reason < __LISTENQ_DROP_MAX; reason++)
		EXPECT_EQ(values(counters).drops[reason], 1u);
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
	EXPECT_EQ(values(counters).accept_wait_us, 2 * u64{0xffffffff} + 7);
	counters.accept_wait_back(0xffffffff);
	EXPECT_EQ(values(counters).accept_wait_us, u64{0xffffffff} + 7);
}

TEST(counters, times__apart_from_each_other)
{
	Counters counters;

	counters.accept_wait(7);
	counters.accept_wait(9);
	counters.accept_wait_back(9);
	counters.handshake(1000);
	const lq_counters all = values(counters);
	for (u32 i = 0; i < LISTENQ_WAIT_BUCKETS; i++) {
		EXPECT_EQ(all.accept_wait[i], i == 7 ? 1u : 0u);
		EXPECT_EQ(all.handshake[i], i == listenq::wait_bucket(1000) ? 1u : 0u);
	}
	EXPECT_EQ(all.accept_wait_us, 7u);
	EXPECT_EQ(all.handshake_us, 1000u);
}

TEST(counters, add_to__all_of_them)
{
	Counters counters;
	lq_counters sum{};

	for (u8 reason = 1; reason < __LISTENQ_DROP_MAX; reason++)
		counters.drop(reason, reason);
	for (u32 i = 1; i < __LISTENQ_EVENT_MAX; i++)
		counters.event(static_cast<listenq_event>(i), i);
	counters.accept_wait(70);
	counters.handshake(900);
	for (unsigned i = 0; i < 2; i++)
		counters.add_to(sum);
	for (u32 i = 1; i < __LISTENQ_DROP_MAX; i++)
		EXPECT_EQ(sum.drops[i], 2 * i);
	for (u32 i = 1; i < __LISTENQ_EVENT_MAX; i++)
		EXPECT_EQ(sum.events[i], 2 * i);
	EXPECT_EQ(sum.accept_wait_us, 140u);
	EXPECT_EQ(sum.handshake_us, 1800u);
	EXPECT_EQ(sum.accept_wait[listenq::wait_bucket(70)], 2u);
	EXPECT_EQ(sum.handshake[listenq::wait_bucket(900)], 2u);
}
