// SPDX-License-Identifier: GPL-2.0
// Listener: what the timer sends again, and what it gives up.
#include <vector>

#include "listener_fixture.hh"

using namespace testing_core;

// --- the timer ---

TEST_F(listener, tick__retransmits_at_1_3_7_15_31_and_expires_at_63_s)
{
	const u32 start = now;
	std::vector<u32> at;

	ASSERT_TRUE(half_open(0));
	while (info().syn_qlen) {
		now += kHz / LQ_TICKS_PER_SECOND;
		tick();
		if (resent)
			at.push_back((now - start) / kHz);
		ASSERT_LT(now - start, 200 * kHz);
	}
	EXPECT_EQ(at, (std::vector<u32>{1, 3, 7, 15, 31}));
	EXPECT_EQ((now - start) / kHz, 63u);
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_EXPIRED), 1u);
	EXPECT_TRUE(idle);
}

TEST_F(listener, tick__the_first_timeout_makes_it_old)
{
	Request *r = half_open(0);

	now += kHz - 1;
	tick();
	EXPECT_EQ(resent, 0u);
	EXPECT_EQ(info().syn_young, 1u);
	now++;
	tick();
	EXPECT_EQ(resent, 1u);
	EXPECT_EQ(info().syn_young, 0u);
	EXPECT_EQ(r->num_retrans, 1u);
	EXPECT_EQ(r->expires, now + 2 * kHz);
	EXPECT_EQ(events(LISTENQ_EVENT_SYNACK_SENT), 2u);
	EXPECT_EQ(events(LISTENQ_EVENT_SYNACK_RETRANS), 1u);
	EXPECT_FALSE(idle);
}

TEST_F(listener, tick__across_the_wrap_of_ticks)
{
	now = 0xffffffff - kHz / 2;
	ASSERT_TRUE(half_open(0));
	tick();
	EXPECT_EQ(resent, 0u);
	now += kHz - 1;
	tick();
	EXPECT_EQ(resent, 0u);
	now++;
	tick();
	EXPECT_EQ(resent, 1u);
}

TEST_F(listener, tick__expires_apart_whose_ack_came)
{
	listen(classic(0)); // a place for one
	ASSERT_TRUE(half_open(0) && half_open(1) && half_open(2));
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	ASSERT_EQ(commit(), LQ_COMMIT_OK);
	ASSERT_EQ(send_ack(1), LQ_ACK_DROP);
	unsigned lost = 0, late = 0;
	for (unsigned i = 0; i < 100 * LQ_TICKS_PER_SECOND; i++) {
		now += kHz / LQ_TICKS_PER_SECOND;
		tick();
		lost += expired;
		late += unserved;
	}
	EXPECT_EQ(lost, 1u);
	EXPECT_EQ(late, 1u);
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_EXPIRED), 1u);
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_UNSERVED), 1u);
}

// An ACK that was held back says nothing of the accept queue.
TEST_F(listener, tick__a_deferred_one_is_unserved_only_while_there_is_no_room)
{
	for (const bool full : {false, true}) {
		lq_config c = classic(0);

		c.defer_accept = 2;
		c.synack_retries = 2;
		listen(c);
		ASSERT_TRUE(half_open(1));
		ASSERT_EQ(send_ack(1), LQ_ACK_DROP);
		ASSERT_EQ(ack.reason, LISTENQ_DROP_ACK_DEFERRED);
		if (full) {
			ASSERT_TRUE(half_open(0));
			ack = make_ack(0);
			ack.end_seq = ack.seq + 1; // with data
			ASSERT_EQ(send_ack(ack), LQ_ACK_PROMOTE);
			ASSERT_EQ(commit(), LQ_COMMIT_OK);
		}
		unsigned lost = 0, late = 0;
		for (unsigned i = 0; i < 30 * LQ_TICKS_PER_SECOND; i++) {
			now += kHz / LQ_TICKS_PER_SECOND;
			tick();
			lost += expired;
			late += unserved;
		}
		EXPECT_EQ(lost, full ? 0u : 1u);
		EXPECT_EQ(late, full ? 1u : 0u);
		close();
	}
}

TEST_F(listener, tick__a_full_queue_gives_up_earlier)
{
	listen(config(8, 8192)); // 16 buckets
	u32 n = 0;

	for (; n < 8; n++)
		ASSERT_TRUE(half_open(n));
	for (unsigned i = 0; i < 100; i++) {
		now += kHz / LQ_TICKS_PER_SECOND;
		tick();
		if (expired)
			break;
	}
	// All old: two timeouts, at 1 s and 3 s, and gone at 7 s.
	EXPECT_EQ(expired, 8u);
	EXPECT_EQ(now - 100000, 7 * kHz);
}

TEST_F(listener, tick__a_request_being_promoted_is_left_alone)
{
	ASSERT_TRUE(half_open(0));
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	now += 500 * kHz;
	tick();
	EXPECT_EQ(resent + expired, 0u);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, tick__batches_and_forgets_none)
{
	lq_tick t{};
	unsigned calls = 0, sent = 0;

	listen(config(4096, 4096));
	for (u32 n = 0; n < 1000; n++)
		ASSERT_TRUE(half_open(n)) << n;
	now += kHz;
	do {
		t.now = now;
		core.tick(t);
		EXPECT_LE(t.resend_count, u32{LQ_TICK_BATCH});
		sent += t.resend_count;
		ASSERT_LT(++calls, 1000u);
		// Big tables are walked over several runs.
		if (!t.again && sent < 1000)
			now += kHz / LQ_TICKS_PER_SECOND;
	} while (sent < 1000);
	EXPECT_EQ(sent, 1000u);
	EXPECT_EQ(info().syn_young, 0u);
	EXPECT_LE(now, 101000u + 2 * kHz);
}

TEST_F(listener, tick__expiry_in_batches)
{
	lq_config c = config(4096, 4096);
	lq_tick t{};
	unsigned gone = 0;

	c.synack_retries = 0;
	listen(c);
	for (u32 n = 0; n < 1000; n++)
		ASSERT_TRUE(half_open(n));
	now += kHz;
	for (unsigned calls = 0; gone < 1000; calls++) {
		ASSERT_LT(calls, 1000u);
		t.now = now;
		core.tick(t);
		EXPECT_EQ(t.resend_count, 0u);
		EXPECT_EQ(free_list(t.expired), t.expired_count);
		gone += t.expired_count;
		if (!t.again)
			now += kHz / LQ_TICKS_PER_SECOND;
	}
	EXPECT_EQ(info().syn_qlen, 0u);
	EXPECT_TRUE(t.idle);
}

TEST_F(listener, tick__deferred_and_acked_gets_one_last_chance)
{
	lq_config c = config();
	std::vector<u32> at;
	const u32 start = now;

	c.defer_accept = 3;
	listen(c);
	ASSERT_TRUE(half_open(0));
	EXPECT_EQ(send_ack(0), LQ_ACK_DROP);
	while (info().syn_qlen) {
		now += kHz / LQ_TICKS_PER_SECOND;
		tick();
		if (resent)
			at.push_back((now - start) / kHz);
		ASSERT_LT(now - start, 200 * kHz);
	}
	// Silent at 1 and 3 s; from the third timeout on it asks again.
	EXPECT_EQ(at, (std::vector<u32>{7, 15, 31}));
}

TEST_F(listener, tick__idle_without_requests)
{
	tick();
	EXPECT_TRUE(idle);
	ASSERT_TRUE(half_open(0));
	tick();
	EXPECT_FALSE(idle);
}

// --- when it runs ---

TEST_F(listener, tick__waits_for_what_is_due_first)
{
	ASSERT_TRUE(half_open(0));
	now += 30;
	ASSERT_TRUE(half_open(1));
	tick();
	EXPECT_EQ(wait, kHz - 30);
	EXPECT_EQ(core.due().value, now + kHz - 30);
	now += kHz - 30;
	tick();
	EXPECT_EQ(resent, 1u);
	EXPECT_EQ(wait, 30u); // the shim makes it an interval
	now += 30;
	tick();
	EXPECT_EQ(resent, 1u);
	EXPECT_EQ(wait, 2 * kHz - 30);
}

TEST_F(listener, tick__a_request_with_a_shorter_timeout_is_due_before)
{
	lq_config c = config();

	ASSERT_TRUE(half_open(0));
	c.synack_timeout_ms = 100;
	listen(c);
	Request *r = half_open(1);
	EXPECT_EQ(r->expires, now + kHz / 10);
	EXPECT_EQ(core.due().value, r->expires);
	now += kHz / 10;
	tick();
	EXPECT_EQ(resent, 1u);
}

// What the timer is for, and no more: a request that waits for its data comes due a few times.
TEST_F(listener, tick__runs_for_a_deferred_request_are_few)
{
	lq_config c = config();
	const u32 start = now;
	unsigned calls = 0;

	c.defer_accept = 6; // 63 s
	listen(c);
	ASSERT_TRUE(half_open(0));
	now += 1;
	ASSERT_EQ(send_ack(0), LQ_ACK_DROP);
	for (unsigned due = 0; info().syn_qlen; calls++) {
		ASSERT_LE(calls, 20u);
		now += calls ? wait : core.due().value - now;
		tick();
		due += silent;
		// As syn_ack_timeout() counts: each time that it comes due.
		EXPECT_EQ(due + events(LISTENQ_EVENT_SYNACK_RETRANS) + expired, calls + 1);
	}
	EXPECT_EQ(calls, 7u);
	EXPECT_EQ((now - start) / kHz, 127u);
}

TEST_F(listener, tick__an_episode_is_looked_at_in_intervals)
{
	listen(classic(0));
	ASSERT_TRUE(establish(0));
	ASSERT_TRUE(half_open(1));
	lq_event event;
	ASSERT_EQ(send_ack(1), LQ_ACK_DROP); // an overflow
	ASSERT_TRUE(core.take_event(event));
	for (unsigned i = 0; i < 12; i++) {
		tick();
		EXPECT_EQ(wait, kHz / LQ_TICKS_PER_SECOND) << i;
		now += wait;
		// Its end is a second after there is room.
		if (i == 5) {
			ASSERT_TRUE(accept());
		}
	}
	tick();
	ASSERT_TRUE(core.take_event(event));
	EXPECT_EQ(event.type, LISTENQ_EVENT_TYPE_OVERFLOW_ENDED);
}

// The stamp of an answer to an out-of-window segment wraps after 16 s: the timer forgets it before.
TEST_F(listener, tick__forgets_an_answer_before_its_clock_wraps)
{
	constexpr u32 kUnit = kHz / 16, kWrap = 255 * kUnit;
	lq_config c = config();
	Request *r;

	c.synack_timeout_ms = 100000;
	listen(c);
	r = half_open(0);
	now += 10;
	ASSERT_EQ(send_syn(0), LQ_SYN_DUPLICATE);
	EXPECT_NE(r->oow_stamp, 0);
	EXPECT_LT(core.due().value - now, kWrap - kHz / LQ_TICKS_PER_SECOND);
	const u32 answered = now;
	now = core.due().value;
	tick();
	EXPECT_EQ(resent, 0u);
	EXPECT_EQ(r->oow_stamp, 0);
	EXPECT_EQ(wait, r->expires - now); // and nothing more
	now = answered + kWrap;
	EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE);
}

// Whatever the ACK does with a request that came due meanwhile, the timer looks again.
TEST_F(listener, tick__a_promotion_that_fails_is_due_at_once)
{
	ASSERT_TRUE(half_open(0));
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	now += 3 * kHz;
	tick();
	EXPECT_EQ(resent, 0u);
	EXPECT_EQ(wait, kHz / LQ_TICKS_PER_SECOND);
	EXPECT_FALSE(aborted(core, promotion));
	now += wait;
	tick();
	EXPECT_EQ(resent, 1u);
}

// A round over a large table takes several runs; what comes due meanwhile waits for the next.
TEST_F(listener, tick__a_table_that_grows_in_a_round_forgets_none)
{
	lq_config c = config(1 << 16, 1 << 16);
	u32 n = 0;

	c.somaxconn = 1 << 16;
	c.syncookies = 1;
	listen(c);
	for (; n < 9000; n++) {
		ASSERT_TRUE(half_open(n)) << n;
		if (n < 3000)
			grow();
	}
	ASSERT_EQ(info().syn_buckets, 8192u);
	now += kHz;
	lq_tick t{};
	t.now = now;
	core.tick(t); // a round begins
	ASSERT_TRUE(t.again);
	grow();
	ASSERT_GT(info().syn_buckets, 8192u);
	u32 sent = t.resend_count;
	for (unsigned runs = 0; info().syn_young; runs++) {
		ASSERT_LE(runs, 5u);
		tick();
		sent += resent;
		now += kHz / LQ_TICKS_PER_SECOND;
	}
	EXPECT_EQ(sent, n);
}
