// SPDX-License-Identifier: GPL-2.0
// SynQueue: hash table, lengths, the clock hand and a look inside. syn_queue_resize_test.cc has
// what happens while a table replaces another.
#include "syn_queue_fixture.hh"

#include <map>
#include <set>

#include "property.hh"

namespace request = listenq::request;
using namespace testing_core;

TEST_F(syn_queue, is_open__only_with_a_table)
{
	SynQueue fresh(kKeys);

	EXPECT_FALSE(fresh.is_open());
	EXPECT_EQ(fresh.bucket_count(), 0u);
	EXPECT_EQ(fresh.find(peer(0), fresh.hash(peer(0))), nullptr);
	EXPECT_EQ(fresh.check(), nullptr);
	EXPECT_TRUE(queue.is_open());
	EXPECT_EQ(queue.bucket_count(), 16u);
}

TEST_F(syn_queue, hash__depends_on_the_key_and_the_peer)
{
	lq_keys keys = kKeys;
	keys.table[0] += 1ULL << 40;
	const SynQueue other(keys);
	std::set<u32> seen;

	for (u32 n = 0; n < 200; n++)
		seen.insert(queue.hash(peer(n)));
	EXPECT_GE(seen.size(), 199u);
	EXPECT_NE(queue.hash(peer(0)), other.hash(peer(0)));
}

TEST_F(syn_queue, hash__spreads_neighbours)
{
	std::map<u32, unsigned> load;

	for (u32 n = 0; n < 1600; n++)
		load[queue.hash(peer(n)) & 15]++;
	for (u32 i = 0; i < 16; i++) {
		EXPECT_GT(load[i], 60u);
		EXPECT_LT(load[i], 140u);
	}
}

TEST_F(syn_queue, find__by_address_port_and_family)
{
	for (u32 n = 0; n < 40; n++)
		put(n);
	for (u32 n = 0; n < 40; n++) {
		const lq_key key = peer(n);
		Request *r = find(n);

		ASSERT_NE(r, nullptr);
		EXPECT_TRUE(request::matches(*r, key));
		EXPECT_EQ(queue.find(peer(n + 40), queue.hash(key)), nullptr);
	}
}

TEST_F(syn_queue, find__a_bound_request_answers_to_its_interface_or_vrf)
{
	Request &r = put(0);
	lq_key key = peer(0);

	r.ifindex = 7;
	key.ifindex = 1;
	EXPECT_EQ(queue.find(key, queue.hash(key)), nullptr);
	key.l3_ifindex = 7;
	EXPECT_EQ(queue.find(key, queue.hash(key)), &r);
	key.l3_ifindex = 0;
	key.ifindex = 7;
	EXPECT_EQ(queue.find(key, queue.hash(key)), &r);
}

TEST_F(syn_queue, insert__counts_and_knows_the_young)
{
	put(0);
	EXPECT_EQ(queue.qlen(), 1u);
	EXPECT_EQ(queue.young(), 1u);
	Request *old = new_request(peer(1));
	old->num_timeout = 1;
	queue.insert(*old, queue.hash(peer(1)));
	EXPECT_EQ(queue.qlen(), 2u);
	EXPECT_EQ(queue.young(), 1u);
}

TEST_F(syn_queue, remove__takes_one_from_anywhere_in_its_chain)
{
	open(1); // all in one chain
	for (u32 n = 0; n < 5; n++)
		put(n);
	for (const u32 n : {2u, 4u, 0u, 3u, 1u}) {
		take(n);
		EXPECT_EQ(find(n), nullptr);
		EXPECT_EQ(queue.check(), nullptr);
	}
	EXPECT_EQ(queue.qlen(), 0u);
	EXPECT_EQ(queue.young(), 0u);
}

TEST_F(syn_queue, remove__an_old_one_leaves_young_alone)
{
	queue.mark_timed_out(put(0));
	put(1);
	take(0);
	EXPECT_EQ(queue.qlen(), 1u);
	EXPECT_EQ(queue.young(), 1u);
}

TEST_F(syn_queue, mark_timed_out__only_the_first_makes_it_old)
{
	Request &r = put(0);

	put(1);
	queue.mark_timed_out(r);
	EXPECT_EQ(queue.young(), 1u);
	queue.mark_timed_out(r);
	EXPECT_EQ(queue.young(), 1u);
	EXPECT_EQ(r.num_timeout, 2u);
}

TEST_F(syn_queue, mark_timed_out__stops_at_255)
{
	Request &r = put(0);

	for (unsigned i = 0; i < 600; i++)
		queue.mark_timed_out(r);
	EXPECT_EQ(r.num_timeout, 0xff);
	EXPECT_EQ(queue.young(), 0u);
}

TEST_F(syn_queue, reserve__is_not_in_qlen)
{
	queue.reserve();
	queue.reserve();
	EXPECT_EQ(queue.reserved(), 2u);
	EXPECT_EQ(queue.qlen(), 0u);
	queue.release();
	EXPECT_EQ(queue.reserved(), 1u);
	queue.release();
}

TEST_F(syn_queue, release__of_what_nobody_reserved)
{
	queue.reserve();
	queue.release();
	EXPECT_DEATH(queue.release(), "room that nobody reserved is given back");
}

TEST_F(syn_queue, drain__hands_out_each_request_once)
{
	std::set<Request *> put_in, handed;

	for (u32 n = 0; n < 60; n++)
		put_in.insert(&put(n));
	const u32 buckets = queue.bucket_count();
	u32 calls = 1;
	while (!queue.drain(3, [&](Request &r) {
		EXPECT_TRUE(handed.insert(&r).second);
		EXPECT_EQ(r.next, nullptr);
	})) {
		EXPECT_EQ(queue.check(), nullptr);
		EXPECT_EQ(queue.qlen(), put_in.size() - handed.size());
		calls++;
	}
	EXPECT_LE(calls, (buckets + 60 + 2) / 3);
	EXPECT_GE(calls, 60u / 3);
	Request **table = queue.close();
	EXPECT_NE(table, nullptr);
	for (u32 i = 0; i < buckets; i++)
		EXPECT_EQ(table[i], nullptr);
	std::free(table);
	EXPECT_EQ(handed, put_in);
	for (Request *r : handed)
		free_request(r);
	EXPECT_FALSE(queue.is_open());
	EXPECT_EQ(queue.qlen(), 0u);
	EXPECT_EQ(queue.young(), 0u);
	EXPECT_EQ(queue.bucket_count(), 0u);
	EXPECT_EQ(queue.find(peer(0), queue.hash(peer(0))), nullptr);
}

TEST_F(syn_queue, close__twice_and_before_a_table)
{
	EXPECT_TRUE(queue.drain(1, [](Request &) { FAIL(); }));
	std::free(queue.close());
	EXPECT_TRUE(queue.drain(1, [](Request &) { FAIL(); }));
	EXPECT_EQ(queue.close(), nullptr);
}

TEST_F(syn_queue, sweep__visits_every_request_once_a_turn)
{
	std::map<Request *, unsigned> visits;

	for (u32 n = 0; n < 60; n++)
		put(n);
	for (unsigned i = 0; i < 32; i++) {
		ASSERT_TRUE(queue.sweep(
			1, ~0u,
			[&](Request &r) {
				visits[&r]++;
				return SynQueue::Sweep::Stay;
			},
			[](Request &) { FAIL(); }));
	}
	EXPECT_EQ(visits.size(), 60u);
	for (const auto &[r, n] : visits)
		EXPECT_EQ(n, 2u);
}

TEST_F(syn_queue, sweep__leave_unlinks_before_it_hands_out)
{
	open(1);
	for (u32 n = 0; n < 7; n++)
		put(n).mark = n;
	ASSERT_TRUE(queue.sweep(
		1, ~0u,
		[](Request &r) {
			return r.mark % 2 ? SynQueue::Sweep::Leave : SynQueue::Sweep::Stay;
		},
		[&](Request &r) {
			EXPECT_EQ(r.next, nullptr);
			free_request(&r);
		}));
	EXPECT_EQ(queue.qlen(), 4u);
	for (u32 n = 0; n < 7; n++)
		EXPECT_EQ(find(n) == nullptr, n % 2 == 1);
}

TEST_F(syn_queue, sweep__stop_keeps_the_hand)
{
	open(1);
	open(4);
	for (u32 n = 0; n < 20; n++)
		put(n);
	unsigned allowed = 5, visited = 0;
	const auto visit = [&](Request &) {
		if (visited == allowed)
			return SynQueue::Sweep::Stop;
		visited++;
		return SynQueue::Sweep::Stay;
	};
	while (queue.sweep(1, ~0u, visit, [](Request &) {}))
		;
	// The bucket that was cut short comes again, from its start.
	Request *first = nullptr;
	ASSERT_FALSE(queue.sweep(
		1, ~0u,
		[&](Request &r) {
			first = &r;
			return SynQueue::Sweep::Stop;
		},
		[](Request &) {}));
	Request *again = nullptr;
	ASSERT_FALSE(queue.sweep(
		1, ~0u,
		[&](Request &r) {
			again = &r;
			return SynQueue::Sweep::Stop;
		},
		[](Request &) {}));
	EXPECT_EQ(first, again);
}

TEST_F(syn_queue, sweep__says_how_many_buckets_the_hand_left)
{
	const auto leave = [](Request &) {};
	u32 visits = 0;
	const auto stay = [&](Request &) {
		visits++;
		return SynQueue::Sweep::Stay;
	};

	for (u32 n = 0; n < 60; n++)
		put(n);
	EXPECT_EQ(queue.sweep(0, ~0u, stay, leave), 0u);
	EXPECT_EQ(visits, 0u);
	EXPECT_EQ(queue.sweep(16, ~0u, stay, leave), 16u);
	EXPECT_EQ(visits, 60u);
	// All but one, then the one, whatever ends the sweep in between.
	for (u32 at = 1; at <= 60; at++) {
		u32 left = 16;

		visits = 0;
		const u32 done = queue.sweep(
			left, ~0u,
			[&](Request &) {
				return ++visits == at ? SynQueue::Sweep::Stop
						      : SynQueue::Sweep::Stay;
			},
			leave);
		EXPECT_LT(done, 16u);
		left -= done;
		visits = 0;
		EXPECT_EQ(queue.sweep(left, ~0u, stay, leave), left);
		EXPECT_GE(visits, 60 - at + 1);
		EXPECT_LE(visits, 60u);
	}
}

TEST_F(syn_queue, sweep__ends_when_its_steps_are_taken)
{
	u32 visits = 0, buckets = 0, calls = 0;

	open(64);
	for (u32 n = 0; n < 200; n++)
		put(n);
	for (; buckets < 64; calls++) {
		const u32 before = visits;
		const u32 done = queue.sweep(
			64 - buckets, 20,
			[&](Request &) {
				visits++;
				return SynQueue::Sweep::Stay;
			},
			[](Request &) { FAIL(); });

		ASSERT_GT(done, 0u);
		buckets += done;
		EXPECT_LE(visits - before, 20u + 16); // a bucket comes to its end
	}
	EXPECT_EQ(visits, 200u); // each once
	EXPECT_GE(calls, (64u + 200) / (20 + 16));
	EXPECT_EQ(queue.sweep(
			  64, 0, [](Request &) { return SynQueue::Sweep::Stay; }, [](Request &) {}),
		  0u);
}

TEST_F(syn_queue, evict_oldest__looks_no_further_than_its_steps)
{
	Request *r = nullptr;
	u32 calls = 1;

	open(1 << 16);
	put(0);
	for (; !(r = queue.evict_oldest(1024)); calls++)
		ASSERT_LE(calls, 64u);
	EXPECT_EQ(calls, (queue.hash(peer(0)) & 0xffff) / 1024 + 1);
	free_request(r);
	// None that an ACK holds.
	put(0).flags |= LQ_REQ_PROMOTING;
	for (u32 i = 0; i < 200; i++)
		ASSERT_EQ(queue.evict_oldest(1024), nullptr);
}

TEST_F(syn_queue, evict_silent__who_timed_out_and_was_not_acknowledged)
{
	open(1); // one bucket: the first is the oldest
	Request &acked = put(0), &promoting = put(1), &silent = put(2), &later = put(3);
	put(4); // young
	for (Request *r : {&acked, &promoting, &silent, &later})
		queue.mark_timed_out(*r);
	acked.flags |= LQ_REQ_ACKED;
	promoting.flags |= LQ_REQ_PROMOTING;
	for (Request *want : {&silent, &later}) {
		ASSERT_EQ(queue.evict_silent(1024), want);
		free_request(want);
	}
	EXPECT_EQ(queue.evict_silent(1024), nullptr);
	EXPECT_EQ(queue.qlen(), 3u);
	EXPECT_EQ(queue.check(), nullptr);
}

TEST_F(syn_queue, check__sees_a_wrong_young_count)
{
	put(0).num_timeout = 1; // not by mark_timed_out()
	EXPECT_STREQ(queue.check(), "SYN queue: young is not the number of young requests");
	find(0)->num_timeout = 0;
}

TEST_F(syn_queue, check__sees_a_wrong_bucket)
{
	Request &r = put(0);

	r.peer_port ^= 0x5555;
	const bool moved = (queue.hash(request::key_of(r)) & 15) != (queue.hash(peer(0)) & 15);
	ASSERT_TRUE(moved);
	EXPECT_STREQ(queue.check(), "SYN queue: a request is in the wrong bucket");
	r.peer_port ^= 0x5555;
}

TEST_F(syn_queue, check__sees_an_orphan)
{
	put(0).flags |= LQ_REQ_ORPHAN;
	EXPECT_STREQ(queue.check(), "SYN queue: an orphan is in the table");
	find(0)->flags &= static_cast<u8>(~LQ_REQ_ORPHAN);
}

// All that a walk of @room a step sees, by peer_port and family; the cursor where it ended.
static std::multiset<const Request *> walk(const SynQueue &queue, lq_request_cursor &at, u32 room,
					   u32 buckets)
{
	std::multiset<const Request *> seen;

	while (!at.done) {
		u32 count = 0;

		queue.walk(at, room, buckets, [&](const Request &r) {
			seen.insert(&r);
			count++;
		});
		EXPECT_LE(count, room);
	}
	return seen;
}

TEST_F(syn_queue, walk__sees_each_once_whatever_the_steps)
{
	std::multiset<const Request *> all;

	for (u32 n = 0; n < 100; n++)
		all.insert(&put(n));
	for (const u32 buckets : {1u, 16u, 512u}) {
		for (const u32 room : {1u, 3u, 1000u}) {
			lq_request_cursor at{};

			EXPECT_EQ(walk(queue, at, room, buckets), all) << room;
			EXPECT_FALSE(at.interrupted);
		}
	}
}

TEST_F(syn_queue, walk__of_an_empty_or_closed_table)
{
	lq_request_cursor at{};

	EXPECT_TRUE(walk(queue, at, 8, 512).empty());
	EXPECT_FALSE(at.interrupted);
	empty(queue);
	at = {};
	EXPECT_TRUE(walk(queue, at, 8, 512).empty());
	open(16);
}

TEST_F(syn_queue, walk__what_comes_meanwhile_repeats_nothing)
{
	open(1);
	for (u32 n = 0; n < 10; n++)
		put(n);
	lq_request_cursor at{};
	std::multiset<const Request *> seen;
	queue.walk(at, 4, 512, [&](const Request &r) { seen.insert(&r); });
	for (u32 n = 10; n < 20; n++)
		put(n);
	seen.merge(walk(queue, at, 4, 512));
	EXPECT_FALSE(at.interrupted);
	for (u32 n = 0; n < 10; n++)
		EXPECT_EQ(seen.count(find(n)), 1u) << n;
}

TEST_F(syn_queue, walk__goes_on_where_its_place_went)
{
	open(1);
	for (u32 n = 0; n < 10; n++)
		put(n);
	lq_request_cursor at{};
	const Request *last = nullptr;
	std::multiset<const Request *> seen;
	queue.walk(at, 4, 512, [&](const Request &r) { seen.insert(last = &r); });
	ASSERT_EQ(last, find(6)); // the newest are at the front
	seen.erase(last);
	take(6);
	seen.merge(walk(queue, at, 4, 512));
	EXPECT_TRUE(at.interrupted);
	EXPECT_EQ(seen.size(), 9u);
	EXPECT_EQ(std::set<const Request *>(seen.begin(), seen.end()).size(), 9u);
}

TEST_F(syn_queue, walk__a_resize_ends_it)
{
	for (u32 n = 0; n < 10; n++)
		put(n);
	lq_request_cursor at{};
	queue.walk(at, 2, 512, [](const Request &) {});
	queue.resize(new_buckets(64), 64);
	EXPECT_TRUE(walk(queue, at, 2, 512).empty());
	EXPECT_TRUE(at.interrupted);
	ASSERT_EQ(queue.rehash(3), nullptr);
	at = {}; // even one that begins meanwhile
	EXPECT_TRUE(walk(queue, at, 2, 512).empty());
	EXPECT_TRUE(at.interrupted);
	std::free(queue.rehash(~0u));
	at = {};
	EXPECT_EQ(walk(queue, at, 2, 512).size(), 10u);
	EXPECT_FALSE(at.interrupted);
}

TEST_F(syn_queue, property__a_walk_without_interruption_misses_and_repeats_none_that_stay)
{
	property("a walk among changes", [] {
		const auto ops = *rc::gen::arbitrary<std::vector<std::pair<u8, u8>>>();
		const u32 room = *rc::gen::inRange<u32>(1, 6);
		SynQueue queue(kKeys);
		std::map<u32, Request *> model;
		std::set<u32> stay;
		std::map<u32, u32> seen;
		u32 stamp = 0;
		lq_request_cursor at{};

		reopen(queue, 4);
		for (u32 n = 0; n < 24; n++) {
			model[n] = new_request(peer(n));
			queue.insert(*model[n], queue.hash(peer(n)));
			stay.insert(n);
		}
		const auto step = [&] {
			queue.walk(at, room, 2, [&](const Request &r) {
				for (const auto &[n, one] : model) {
					if (one == &r)
						seen[n]++;
				}
			});
		};
		for (const auto &[op, arg] : ops) {
			const u32 n = arg % 64, hash = queue.hash(peer(n));
			const auto found = model.find(n);

			if (op % 3 == 0) {
				step();
			} else if (found == model.end()) {
				model[n] = new_request(peer(n));
				model[n]->stamp_us = ++stamp;
				queue.insert(*model[n], hash);
			} else {
				queue.remove(*found->second, hash);
				free_request(found->second);
				model.erase(found);
				stay.erase(n);
			}
		}
		while (!at.done)
			step();
		if (!at.interrupted) {
			for (const u32 n : stay)
				RC_ASSERT(seen[n] == 1u);
		}
		empty(queue);
	});
}

TEST_F(syn_queue, property__is_a_map)
{
	property("insert, remove, time out and resize as a map does", [] {
		const auto ops = *rc::gen::arbitrary<std::vector<std::pair<u8, u8>>>();
		SynQueue queue(kKeys);
		std::map<u32, Request *> model;

		reopen(queue, 16);
		for (const auto &[op, arg] : ops) {
			const u32 n = arg % 32;
			const auto found = model.find(n);
			const u32 hash = queue.hash(peer(n));

			switch (op % 8) {
			default:
				if (found != model.end())
					break;
				model[n] = new_request(peer(n));
				queue.insert(*model[n], hash);
				break;
			case 4:
			case 5:
				if (found == model.end())
					break;
				queue.remove(*found->second, hash);
				free_request(found->second);
				model.erase(found);
				break;
			case 6:
				if (found != model.end())
					queue.mark_timed_out(*found->second);
				break;
			case 7:
				if (queue.is_rehashing())
					std::free(queue.rehash(~0u));
				queue.resize(new_buckets(1u << arg % 7), 1u << arg % 7);
				break;
			}
			if (queue.is_rehashing())
				std::free(queue.rehash(arg % 4));
			RC_ASSERT(queue.check() == nullptr);
			RC_ASSERT(queue.qlen() == model.size());
			for (u32 i = 0; i < 32; i++) {
				const auto it = model.find(i);

				RC_ASSERT(queue.find(peer(i), queue.hash(peer(i))) ==
					  (it == model.end() ? nullptr : it->second));
			}
		}
		if (queue.is_rehashing())
			std::free(queue.rehash(~0u));
		empty(queue);
	});
}
