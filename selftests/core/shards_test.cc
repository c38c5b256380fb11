// SPDX-License-Identifier: GPL-2.0
// Shards: whose a connection is, what part of a limit a shard has, where accept() looks.
#include "shards.hh"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "property.hh"
#include "support.hh"
#include "table_hash.hh"

namespace shards = listenq::shards;
using testing_core::kKeys;

namespace {

lq_key key_of(u32 peer, u16 port, bool v6 = false)
{
	lq_key key{};

	key.addr[0] = peer;
	key.addr[1] = 0x0a000001;
	key.addr[7] = v6 ? peer : 0;
	key.peer_port = port;
	key.v6 = v6;
	return key;
}

TEST(Shards, NoneIsSmallerThanItsLeastPlaces)
{
	const auto count = [](u32 accept, u32 syn, u32 asked) {
		lq_limits limits{};

		limits.accept_limit = accept;
		limits.syn_limit = syn;
		return shards::count(limits, asked);
	};

	EXPECT_EQ(count(1, 1, 64), 1u);
	EXPECT_EQ(count(31, 4096, 64), 1u);
	EXPECT_EQ(count(32, 4096, 64), 2u);
	EXPECT_EQ(count(4096, 48, 64), 3u);
	EXPECT_EQ(count(129, 256, 4), 4u);
	EXPECT_EQ(count(129, 256, 1), 1u);
	EXPECT_EQ(count(1 << 20, 1 << 20, 64), 64u);
	EXPECT_EQ(count(129, 256, 0), 1u);
}

TEST(Shards, SharesAddUpToTheWhole)
{
	property("the shares of a limit add up to it", [] {
		const u32 accept = *rc::gen::inRange<u32>(1, 70000),
			  syn = *rc::gen::inRange<u32>(1, 1u << 20);
		const lq_limits whole = {.backlog = accept,
					 .accept_limit = accept,
					 .syn_limit = syn,
					 .syn_buckets = 1u << *rc::gen::inRange(0, 20),
					 .filter_limit = accept,
					 .bucket_limit = 32,
					 .admit_limit = 0};
		const u32 count =
			shards::count(whole, *rc::gen::inRange<u32>(1, LQ_MAX_SHARDS + 1));
		lq_config config{};
		u32 accepts = 0, syns = 0, filters = 0, buckets = 0, backlog = 0;

		config.max_syn_backlog = *rc::gen::inRange<u32>(count, 1u << 20);
		for (u32 i = 0; i < count; i++) {
			lq_limits part = whole;
			lq_config share = config;

			shards::share(share, part, count, i);
			RC_ASSERT(part.backlog == whole.backlog);
			RC_ASSERT(count == 1 || part.accept_limit >= shards::kLeastPlaces);
			RC_ASSERT(part.accept_limit - whole.accept_limit / count <= 1);
			RC_ASSERT((part.syn_buckets & (part.syn_buckets - 1)) == 0 &&
				  part.syn_buckets);
			accepts += part.accept_limit;
			syns += part.syn_limit;
			filters += part.filter_limit;
			buckets += part.syn_buckets;
			backlog += share.max_syn_backlog;
		}
		RC_ASSERT(accepts == whole.accept_limit);
		RC_ASSERT(syns == whole.syn_limit);
		RC_ASSERT(filters == whole.filter_limit);
		RC_ASSERT(backlog == config.max_syn_backlog);
		RC_ASSERT(buckets >= whole.syn_buckets &&
			  buckets <= 2 * (whole.syn_buckets + count));
	});
}

// A second listen() may ask for less than there are shards.
TEST(Shards, NoneIsLeftWithoutAPlace)
{
	for (u32 i = 0; i < 8; i++) {
		lq_limits part = {.backlog = 2,
				  .accept_limit = 3,
				  .syn_limit = 4,
				  .syn_buckets = 16,
				  .filter_limit = 1,
				  .bucket_limit = 32,
				  .admit_limit = 0};
		lq_config config{};

		config.max_syn_backlog = 1;
		shards::share(config, part, 8, i);
		EXPECT_EQ(part.accept_limit, 1u);
		EXPECT_EQ(part.syn_limit, 1u);
		EXPECT_EQ(part.filter_limit, 1u);
		EXPECT_EQ(part.syn_buckets, 2u);
		EXPECT_EQ(config.max_syn_backlog, 1u);
	}
}

TEST(Shards, ConnectionsSpreadEvenly)
{
	constexpr u32 kCount = 5, kEach = 4000;

	for (const bool v6 : {false, true}) {
		std::array<u32, kCount> of{};

		for (u32 i = 0; i < kCount * kEach; i++) {
			const u32 shard =
				shards::of(kKeys, key_of(i / 64, static_cast<u16>(i), v6), kCount);

			ASSERT_LT(shard, kCount);
			of.at(shard)++;
		}
		// Five standard deviations of a fair choice: sqrt(20000 * 0.2 * 0.8) = 57.
		for (const u32 have : of)
			EXPECT_NEAR(have, kEach, 285) << v6;
	}
}

TEST(Shards, TheChoiceIsTheKeysOnly)
{
	lq_keys other = kKeys;
	u32 moved = 0;

	for (u64 &key : other.table)
		key = key * 0x9e3779b97f4a7c15 + 1;

	for (u32 i = 0; i < 1000; i++) {
		lq_key key = key_of(i, 80);
		const u32 shard = shards::of(kKeys, key, 8);

		key.ifindex = i; // the way in may change between a SYN and its ACK
		EXPECT_EQ(shards::of(kKeys, key, 8), shard);
		moved += shards::of(other, key, 8) != shard;
	}
	EXPECT_NEAR(moved, 875, 60);
}

// The bucket of the shard's table must not follow from the shard.
TEST(Shards, TheTableOfAShardIsUsedWhole)
{
	std::array<u32, 16> buckets{};

	for (u32 i = 0; i < 64000; i++) {
		const lq_key key = key_of(i, 80);

		if (shards::of(kKeys, key, 4) != 0)
			continue;
		buckets.at(listenq::TableHash(kKeys)(key) & 15)++;
	}
	for (const u32 have : buckets)
		EXPECT_NEAR(have, 1000, 160);
}

TEST(Shards, AcceptLooksAtHomeFirstAndNowAndThenElsewhere)
{
	EXPECT_EQ(shards::first(0, 7, 1), 0u);
	for (u32 home = 0; home < 4; home++) {
		std::vector<u32> seen(4);

		for (u32 turn = 0; turn < 3 * shards::kVisit; turn++) {
			const u32 first = shards::first(home, turn, 4);

			ASSERT_LT(first, 4u);
			seen.at(first)++;
		}
		// Of each eight calls one visits another shard, and in three times eight all of
		// them.
		for (u32 i = 0; i < 4; i++)
			EXPECT_EQ(seen.at(i), i == home ? 21u : 1u);
	}
}

TEST(Shards, WhatTheySayAddsUp)
{
	listenq_info sum{}, more{};

	sum.backlog = more.backlog = 100;
	sum.synack_retries = more.synack_retries = 5;
	sum.accept_limit = 51;
	more.accept_limit = 50;
	sum.accept_qlen = 3;
	more.accept_qlen = 4;
	sum.filter_limit = more.filter_limit = 9;
	sum.max_syn_backlog = more.max_syn_backlog = 128;
	sum.accept_qlen_peak = 6;
	more.accept_qlen_peak = 8;
	sum.shards = more.shards = 1;
	more.drops = 7;
	more.syncookies = sum.syncookies = 1;
	more.codel_target_ms = sum.codel_target_ms = 20;
	more.accept_order = sum.accept_order = LISTENQ_ORDER_LIFO;
	sum.accept_gone = 2;
	more.accept_gone = 3;
	sum.accept_interval_us = 3000;
	more.accept_interval_us = 6000;
	sum.overflows = 2;
	more.overflows = 1;
	sum.overflow_ago_s = 60;
	more.overflow_ago_s = 50;
	sum.overflow_shortest_ms = sum.overflow_longest_ms = 300;
	more.overflow_shortest_ms = 200;
	more.overflow_longest_ms = 900;
	shards::add(sum, more);
	EXPECT_EQ(sum.overflows, 3u);
	EXPECT_EQ(sum.overflow_ago_s, 50u);
	EXPECT_EQ(sum.overflow_shortest_ms, 200u);
	EXPECT_EQ(sum.overflow_longest_ms, 900u);
	EXPECT_EQ(sum.backlog, 100u);
	EXPECT_EQ(sum.synack_retries, 5u);
	EXPECT_EQ(sum.accept_limit, 101u);
	EXPECT_EQ(sum.accept_qlen, 7u);
	EXPECT_EQ(sum.filter_limit, 18u);
	EXPECT_EQ(sum.max_syn_backlog, 256u);
	EXPECT_EQ(sum.accept_qlen_peak, 14u);
	EXPECT_EQ(sum.shards, 2u);
	EXPECT_EQ(sum.drops, 7u);
	EXPECT_EQ(sum.syncookies, 1u);
	EXPECT_EQ(sum.codel_target_ms, 20u);
	EXPECT_EQ(sum.accept_order, u32{LISTENQ_ORDER_LIFO});
	EXPECT_EQ(sum.accept_gone, 5u);
	// One each 3 ms and one each 6 ms are three in 6 ms.
	EXPECT_EQ(sum.accept_interval_us, 2000u);
	more.accept_interval_us = 0; // not known
	more.overflow_ago_s = 0;     // of one that goes on
	more.overflow_shortest_ms = more.overflow_longest_ms = 0;
	shards::add(sum, more);
	EXPECT_EQ(sum.accept_interval_us, 2000u);
	EXPECT_EQ(sum.overflow_ago_s, 0u);
	EXPECT_EQ(sum.overflow_shortest_ms, 200u);
	more.overflows = 0; // of one that had none
	sum.overflow_ago_s = 7;
	shards::add(sum, more);
	EXPECT_EQ(sum.overflow_ago_s, 7u);
}

} // namespace
