// SPDX-License-Identifier: GPL-2.0
// Listener: the SYN queue's table grows with what it holds, and no call looks at more than its
// steps, whatever the policy and however many requests there are.
#include <cstddef>

#include "listener_fixture.hh"

using namespace testing_core;

namespace {

constexpr u32 kMany = 250000;

class listener_table : public listener {
protected:
	// A config with room for a million.
	static lq_config large(u8 policy)
	{
		lq_config c = config(1 << 20, 1 << 20);

		c.somaxconn = c.soacceptqueue = 1 << 20;
		c.policy = policy;
		c.syncookies = policy == LQ_POLICY_LINUX_MODERN; // all are proven otherwise
		return c;
	}
	static lq_key crowd(u32 n)
	{
		lq_key key{};

		key.addr[0] = n * 0x9e3779b1u;
		key.addr[1] = 1;
		key.peer_port = static_cast<u16>(n);
		return key;
	}
	// One more; false: there is no room.
	bool put(u32 n)
	{
		lq_syn s = make_syn(0);

		s.key = crowd(n);
		if (send_syn(s) != LQ_SYN_NEW)
			return false;
		Request *r = new_request(s.key, kRcvIsn, kSntIsn);
		r->flags |= LQ_REQ_ACKED; // deferred: the timer is silent about it
		EXPECT_EQ(core.syn_commit(s, *r, true), LQ_COMMIT_OK);
		return true;
	}
	// As many of @count as find room.
	u32 fill(u32 count, bool grows)
	{
		u32 in = 0;

		for (u32 n = 0; n < count; n++) {
			in += put(n);
			if (grows)
				grow();
		}
		return in;
	}
	// Every request is due: one run of the timer looks at each once, and says so.
	void ticks_are_short(u32 qlen, u32 buckets)
	{
		u32 calls = 0, seen = 0;

		now += 2 * kHz;
		for (lq_tick t{}; seen < qlen; calls++) {
			t.now = now;
			core.tick(t);
			ASSERT_LE(t.silent_count, 4096u + limit) << calls;
			ASSERT_EQ(t.resend_count + t.expired_count, 0u);
			seen += t.silent_count;
			if (!t.again)
				now += kHz / LQ_TICKS_PER_SECOND;
			ASSERT_LE(calls, qlen) << "no end";
		}
		EXPECT_EQ(seen, qlen);
		EXPECT_GE(calls, (qlen + buckets) / (4096 + 2 * limit));
	}
	void walks_are_short(u32 qlen)
	{
		lq_request_cursor at{};
		lq_request_info out[8];
		u32 seen = 0;

		while (!at.done) {
			const u32 before = at.bucket;

			seen += core.requests(at, {now}, {0}, out);
			ASSERT_LE(at.bucket - before, u32{LQ_WALK_BUCKETS});
			ASSERT_LE(at.position, limit);
		}
		EXPECT_EQ(seen, qlen);
		EXPECT_FALSE(at.interrupted);
	}
	void closes_are_short(u32 qlen)
	{
		lq_drained drained;
		bool more = true;
		u32 before = closed_requests = 0;

		while (more) {
			more = close_part(drained, LQ_STEPS_AT_ONCE);
			ASSERT_LE(closed_requests - before, u32{LQ_STEPS_AT_ONCE});
			before = closed_requests;
		}
		std::free(drained.table);
		EXPECT_EQ(closed_requests, qlen);
	}
	static u32 held_by(lq_request **table, u32 buckets)
	{
		u32 count = 0;

		for (u32 i = 0; i < buckets; i++) {
			for (const lq_request *r = table[i]; r; r = r->next)
				count++;
		}
		return count;
	}

	u32 limit = 64; // of a bucket
};

} // namespace

TEST_F(listener_table, table_first__is_a_page_whatever_the_limit)
{
	for (u8 p = 0; p < LQ_POLICY_COUNT; p++) {
		close();
		listen(large(p));
		EXPECT_GE(info().syn_limit, 5u) << unsigned{p};
		EXPECT_LE(info().syn_buckets, 512u) << unsigned{p};
	}
}

TEST_F(listener_table, table_wanted__grows_with_what_it_holds)
{
	u32 n = 0, tables = 0;

	listen(large(LQ_POLICY_LINUX));
	for (u32 buckets = 512; buckets < (1u << 17); tables++) {
		while (info().syn_qlen < buckets) {
			ASSERT_TRUE(put(n++));
			ASSERT_EQ(core.table_wanted() != 0, info().syn_qlen > buckets);
		}
		ASSERT_TRUE(put(n++));
		ASSERT_EQ(core.table_wanted(), 4 * buckets);
		grow();
		ASSERT_EQ(info().syn_buckets, 4 * buckets);
		ASSERT_EQ(core.table_wanted(), 0u);
		buckets *= 4;
	}
	EXPECT_EQ(tables, 4u);
	EXPECT_EQ(core.check(), nullptr);
}

TEST_F(listener_table, table_wanted__not_beyond_the_limit)
{
	listen(config(700, 700)); // 1024 places
	for (u32 n = 0; n <= 512; n++)
		ASSERT_TRUE(put(n));
	EXPECT_EQ(core.table_wanted(), 1024u);
	grow();
	for (u32 n = 513; n < 1024; n++)
		ASSERT_TRUE(put(n));
	EXPECT_EQ(core.table_wanted(), 0u);
	EXPECT_FALSE(put(2000));
}

TEST_F(listener_table, table_wanted__shrinks_when_it_is_empty_and_not_before)
{
	listen(large(LQ_POLICY_LINUX));
	ASSERT_EQ(fill(3000, true), 3000u);
	const u32 grown = info().syn_buckets;
	EXPECT_GE(grown, 3000u);
	for (u32 n = 0; n < 3000; n++) {
		EXPECT_EQ(core.table_wanted(), 0u) << n;
		ack = make_ack(0);
		ack.key = crowd(n);
		ack.ack = false;
		ack.rst = true;
		EXPECT_EQ(send_ack(ack), LQ_ACK_DROP);
	}
	EXPECT_EQ(core.table_wanted(), 512u);
	lq_request **small = new_buckets(512);
	ASSERT_TRUE(core.resize(small, 512));
	// Nothing is to be moved.
	lq_request **old = core.rehash(1);
	ASSERT_NE(old, nullptr);
	EXPECT_EQ(held_by(old, grown), 0u);
	std::free(old);
	EXPECT_EQ(info().syn_buckets, 512u);
}

TEST_F(listener_table, resize__refuses_what_is_not_wanted)
{
	lq_request **buckets = new_buckets(2048);

	listen(large(LQ_POLICY_LINUX));
	EXPECT_FALSE(core.resize(buckets, 2048)); // it is empty
	ASSERT_EQ(fill(513, false), 513u);
	EXPECT_FALSE(core.resize(buckets, 1024)); // too small
	ASSERT_TRUE(core.resize(buckets, 2048));
	lq_request **other = new_buckets(2048);
	EXPECT_FALSE(core.resize(other, 2048)); // one is on its way
	std::free(core.rehash(~0u));
	close();
	EXPECT_EQ(core.table_wanted(), 0u);
	EXPECT_FALSE(core.resize(other, 512)); // closed
	std::free(other);
}

// Close comes while a table replaces another: it waits, and loses nothing.
TEST_F(listener_table, close__waits_for_the_rehash)
{
	lq_drained drained;

	listen(large(LQ_POLICY_LINUX));
	ASSERT_EQ(fill(513, false), 513u);
	ASSERT_TRUE(core.resize(new_buckets(2048), 2048));
	ASSERT_EQ(core.rehash(100), nullptr);
	closed_requests = 0;
	ASSERT_TRUE(close_part(drained, ~0u));
	EXPECT_EQ(closed_requests, 0u);
	EXPECT_EQ(put(1000), false);
	EXPECT_EQ(core.check(), nullptr);
	std::free(core.rehash(~0u));
	EXPECT_FALSE(close_part(drained, ~0u));
	std::free(drained.table);
	EXPECT_EQ(closed_requests, 513u);
}

// A table that cannot grow, for want of memory, has a bound of its own.
TEST_F(listener_table, syn__without_growth_a_bucket_has_its_limit)
{
	listen(large(LQ_POLICY_LINUX_2_4));
	const u32 in = fill(kMany, false);
	EXPECT_GT(in, 500u * limit);
	EXPECT_LE(in, 512u * limit);
	EXPECT_EQ(drops(LISTENQ_DROP_SYN_BUCKET_FULL), kMany - in);
	EXPECT_EQ(core.check(), nullptr);
}

TEST_F(listener_table, configure__another_policy_merges_no_buckets)
{
	listen(large(LQ_POLICY_LINUX));
	ASSERT_EQ(fill(20000, true), 20000u);
	const u32 grown = info().syn_buckets;
	listen(large(LQ_POLICY_FREEBSD));
	EXPECT_EQ(info().syn_buckets, grown);
	EXPECT_EQ(info().syn_limit, 15360u);
	close();
	listen(large(LQ_POLICY_FREEBSD));
	EXPECT_EQ(info().syn_buckets, 512u);
}

TEST_F(listener_table, calls_are_short_with_a_quarter_of_a_million)
{
	for (u8 p = 0; p < LQ_POLICY_COUNT; p++) {
		for (const bool grows : {true, false}) {
			lq_config c = large(p);

			SCOPED_TRACE(lq_core_policy_name(p));
			c.defer_accept = 200;
			c.own_timing = 1; // due after a second, with all
			close();
			listen(c);
			fill(grows ? kMany : 40000, grows);
			const u32 qlen = info().syn_qlen;
			if (grows && info().syn_limit > kMany) {
				EXPECT_EQ(qlen, kMany);
			}
			ticks_are_short(qlen, info().syn_buckets);
			walks_are_short(qlen);
			closes_are_short(qlen);
			listen(config());
			ASSERT_FALSE(HasFatalFailure());
		}
	}
}

TEST_F(listener_table, rehash__moves_no_more_than_its_steps)
{
	listen(large(LQ_POLICY_LINUX_2_4));
	const u32 in = fill(kMany, false), count = core.table_wanted();
	lq_request **const first = new_buckets(count);
	u32 calls = 0, moved = 0;

	// The old table is ours to look at when it comes back; until then the new one is.
	ASSERT_TRUE(core.resize(first, count));
	for (lq_request **old = nullptr; !old; calls++) {
		const u32 before = moved;

		old = core.rehash(LQ_STEPS_AT_ONCE);
		if (calls % 8 == 0 || old) { // counting takes long
			moved = held_by(first, count);
			EXPECT_LE(moved - before, 8 * (LQ_STEPS_AT_ONCE + limit));
		}
		std::free(old);
	}
	EXPECT_EQ(moved, in);
	EXPECT_GE(calls, in / (LQ_STEPS_AT_ONCE + limit));
	EXPECT_EQ(core.check(), nullptr);
}
