// SPDX-License-Identifier: GPL-2.0
// SynQueue: a table replaces another, a part at a time.
#include "syn_queue_fixture.hh"

#include <set>

using namespace testing_core;

TEST_F(syn_queue, resize__moves_nothing_and_rehash_returns_the_old_table)
{
	for (u32 n = 0; n < 100; n++)
		put(n);
	for (const u32 buckets : {256u, 16u, 1u, 1024u}) {
		const u32 before = queue.bucket_count();
		u32 calls = 0;
		Request **old;

		queue.resize(new_buckets(buckets), buckets);
		EXPECT_EQ(queue.bucket_count(), buckets);
		do {
			EXPECT_TRUE(queue.is_rehashing());
			EXPECT_EQ(queue.hand_round(), std::max(before, buckets));
			EXPECT_EQ(queue.qlen(), 100u);
			EXPECT_EQ(queue.young(), 100u);
			EXPECT_EQ(queue.check(), nullptr);
			for (u32 n = 0; n < 100; n++)
				EXPECT_NE(find(n), nullptr) << n;
			old = queue.rehash(3);
			calls++;
		} while (!old);
		EXPECT_LE(calls, (before + 100 + 2) / 3);
		EXPECT_GE(calls, std::min(before, (before + 100) / (3 + 100)));
		for (u32 i = 0; i < before; i++)
			EXPECT_EQ(old[i], nullptr);
		std::free(old);
		EXPECT_FALSE(queue.is_rehashing());
		EXPECT_EQ(queue.hand_round(), buckets);
		EXPECT_EQ(queue.check(), nullptr);
		for (u32 n = 0; n < 100; n++)
			EXPECT_NE(find(n), nullptr) << n;
	}
}

TEST_F(syn_queue, resize__of_a_closed_queue_leaves_nothing_to_rehash)
{
	SynQueue fresh(kKeys);

	fresh.resize(new_buckets(8), 8);
	EXPECT_FALSE(fresh.is_rehashing());
	std::free(fresh.close());
}

TEST_F(syn_queue, rehash__in_a_larger_table_the_newest_stay_in_front)
{
	open(1);
	for (u32 n = 0; n < 40; n++)
		put(n).mark = n;
	open(8);
	for (u32 i = 0; i < 8; i++) {
		u32 last = 40;

		ASSERT_TRUE(queue.sweep(
			1, ~0u,
			[&](Request &r) {
				EXPECT_LT(r.mark, last);
				last = r.mark;
				return SynQueue::Sweep::Stay;
			},
			[](Request &) {}));
	}
}

TEST_F(syn_queue, rehash__the_hand_meets_all_meanwhile)
{
	for (u32 n = 0; n < 60; n++)
		put(n);
	for (const u32 buckets : {64u, 4u, 16u}) {
		u32 next = 100;

		queue.resize(new_buckets(buckets), buckets);
		for (;;) {
			std::set<Request *> met;

			put(next);
			for (u32 i = 0; i < queue.hand_round(); i++) {
				ASSERT_TRUE(queue.sweep(
					1, ~0u,
					[&](Request &r) {
						met.insert(&r);
						return SynQueue::Sweep::Stay;
					},
					[](Request &) {}));
			}
			EXPECT_EQ(met.size(), queue.qlen());
			take(next++);
			if (Request **old = queue.rehash(3)) {
				std::free(old);
				break;
			}
		}
	}
}

TEST_F(syn_queue, rehash__the_hand_ends_inside_a_smaller_table)
{
	const auto stay = [](Request &) { return SynQueue::Sweep::Stay; };
	u32 drained = 0;

	open(64);
	for (u32 n = 0; n < 20; n++)
		put(n);
	queue.resize(new_buckets(4), 4);
	for (u32 i = 0; i < 42; i++)
		ASSERT_TRUE(queue.sweep(1, ~0u, stay, [](Request &) {}));
	std::free(queue.rehash(~0u));
	EXPECT_TRUE(queue.drain(4 + 20, [&](Request &r) {
		drained++;
		free_request(&r);
	}));
	EXPECT_EQ(drained, 20u);
}

TEST_F(syn_queue, rehash__the_eviction_hand_meets_all_meanwhile)
{
	for (const u32 buckets : {64u, 4u}) {
		for (u32 n = 0; n < 60; n++)
			put(n);
		queue.resize(new_buckets(buckets), buckets);
		ASSERT_EQ(queue.rehash(3), nullptr);
		for (u32 n = 0; n < 60; n++) {
			Request *r = queue.evict_oldest(~0u);

			ASSERT_NE(r, nullptr) << n;
			free_request(r);
		}
		EXPECT_EQ(queue.evict_oldest(~0u), nullptr);
		std::free(queue.rehash(~0u));
	}
}

TEST_F(syn_queue, resize__the_hand_starts_inside_the_new_table)
{
	open(64);
	const auto stay = [](Request &) { return SynQueue::Sweep::Stay; };
	const auto leave = [](Request &) {};

	for (unsigned i = 0; i < 63; i++)
		ASSERT_TRUE(queue.sweep(1, ~0u, stay, leave));
	open(16);
	unsigned seen = 0;
	for (u32 n = 0; n < 50; n++)
		put(n);
	for (unsigned i = 0; i < 16; i++) {
		ASSERT_TRUE(queue.sweep(
			1, ~0u,
			[&](Request &) {
				seen++;
				return SynQueue::Sweep::Stay;
			},
			leave));
	}
	EXPECT_EQ(seen, 50u);
}
