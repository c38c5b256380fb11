// SPDX-License-Identifier: GPL-2.0
// Listener: the events that are told.
#include "listener_fixture.hh"

using namespace testing_core;

// --- events ---

// The only event that there is, or of type 0.
static lq_event told(Listener &core)
{
	lq_event event{}, more{};

	const bool pending = core.event_pending();

	EXPECT_EQ(core.take_event(event), pending);
	EXPECT_FALSE(core.event_pending());
	EXPECT_FALSE(core.take_event(more));
	return event;
}

TEST_F(listener, event__none_while_all_goes_well)
{
	ASSERT_TRUE(establish(0));
	ASSERT_TRUE(half_open(1));
	core.count_drop(LISTENQ_DROP_CHILD_FAILED);
	EXPECT_EQ(told(core).type, LISTENQ_EVENT_TYPE_NONE);
}

TEST_F(listener, event__an_overflow_of_the_accept_queue)
{
	lq_config c = config();

	c.policy = LQ_POLICY_LINUX_MODERN;
	listen(c);
	for (u32 n = 0; n < 9; n++)
		ASSERT_TRUE(establish(n)) << n;
	EXPECT_EQ(told(core).type, LISTENQ_EVENT_TYPE_NONE);
	for (u32 n = 20; n < 23; n++) {
		syn = make_syn(n);
		ASSERT_EQ(send_syn(syn), LQ_SYN_DROP);
		const lq_event event = told(core);
		EXPECT_EQ(event.type,
			  n == 20 ? LISTENQ_EVENT_TYPE_OVERFLOW_BEGAN : LISTENQ_EVENT_TYPE_NONE);
		if (n == 20) {
			EXPECT_EQ(event.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
			EXPECT_EQ(event.count, 0u);
			EXPECT_EQ(event.info.accept_qlen, 9u);
		}
	}
	// Nothing is half open, and still the timer is needed: it goes on until there is room.
	for (unsigned i = 0; i < 20 * LQ_TICKS_PER_SECOND; i++) {
		now += kHz / LQ_TICKS_PER_SECOND;
		tick();
		EXPECT_FALSE(idle);
		EXPECT_EQ(told(core).type, LISTENQ_EVENT_TYPE_NONE);
	}
	ASSERT_TRUE(accept());
	now += kHz - 1;
	tick();
	EXPECT_EQ(told(core).type, LISTENQ_EVENT_TYPE_NONE);
	now++;
	tick();
	const lq_event event = told(core);
	EXPECT_EQ(event.type, LISTENQ_EVENT_TYPE_OVERFLOW_ENDED);
	EXPECT_EQ(event.count, 3u);
	EXPECT_EQ(event.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
	tick();
	EXPECT_TRUE(idle);
	EXPECT_EQ(info().overflows, 1u);
	EXPECT_EQ(info().overflow_shortest_ms, info().overflow_longest_ms);
	EXPECT_EQ(info().overflow_longest_ms, 20000u);
	EXPECT_EQ(core.overflow_ago_s(now / kHz), 1u);
	EXPECT_EQ(core.overflow_ago_s(now / kHz + 60), 60u);
}

// Any user may leave such listeners about, and their timers are the machine's.
TEST_F(listener, tick__a_full_queue_where_nobody_knocks_is_looked_at_ever_less)
{
	lq_config c = config(0);

	c.policy = LQ_POLICY_LINUX_MODERN;
	listen(c);
	ASSERT_TRUE(establish(0));
	syn = make_syn(1);
	ASSERT_EQ(send_syn(syn), LQ_SYN_DROP);
	EXPECT_EQ(told(core).type, LISTENQ_EVENT_TYPE_OVERFLOW_BEGAN);
	const u32 begin = now;
	u32 looks = 0, last = 0;
	for (; now - begin < 600 * kHz; now += wait, looks++) {
		tick();
		ASSERT_FALSE(idle);
		EXPECT_GE(wait, last); // and never sooner
		EXPECT_LE(wait, std::max((now - begin) / 8, kHz / LQ_TICKS_PER_SECOND));
		last = wait;
	}
	EXPECT_EQ(wait, 10 * kHz);
	EXPECT_LE(looks, 120u); // not 3000
	// Whoever knocks is looked after at once again.
	syn = make_syn(2);
	ASSERT_EQ(send_syn(syn), LQ_SYN_DROP);
	tick();
	EXPECT_EQ(wait, kHz / LQ_TICKS_PER_SECOND);
	// And its end is found.
	ASSERT_TRUE(accept());
	now += kHz;
	tick();
	EXPECT_EQ(told(core).type, LISTENQ_EVENT_TYPE_OVERFLOW_ENDED);
}

TEST_F(listener, event__an_overflow_of_the_syn_queue)
{
	listen(config(8, 8192)); // 16 buckets
	for (u32 n = 0; n < 16; n++)
		ASSERT_TRUE(half_open(n)) << n;
	EXPECT_EQ(told(core).type, LISTENQ_EVENT_TYPE_NONE);
	syn = make_syn(100);
	ASSERT_EQ(send_syn(syn), LQ_SYN_DROP);
	const lq_event event = told(core);
	EXPECT_EQ(event.type, LISTENQ_EVENT_TYPE_OVERFLOW_BEGAN);
	EXPECT_EQ(event.reason, LISTENQ_DROP_SYN_QUEUE_FULL);
	now += kHz + kHz / 2;
	tick();
	EXPECT_EQ(told(core).type, LISTENQ_EVENT_TYPE_NONE);
	send_rst(3);
	EXPECT_TRUE(was_freed);
	tick();
	now += kHz;
	tick();
	EXPECT_EQ(told(core).type, LISTENQ_EVENT_TYPE_OVERFLOW_ENDED);
}

TEST_F(listener, event__cookies)
{
	lq_config c = config();

	c.syncookies = 2;
	listen(c);
	for (u32 n = 0; n < 5; n++) {
		syn = make_syn(n);
		ASSERT_EQ(send_syn(syn), LQ_SYN_COOKIE);
		EXPECT_EQ(told(core).type,
			  n ? LISTENQ_EVENT_TYPE_NONE : LISTENQ_EVENT_TYPE_COOKIES_BEGAN);
	}
	now += kHz;
	tick();
	const lq_event event = told(core);
	EXPECT_EQ(event.type, LISTENQ_EVENT_TYPE_COOKIES_ENDED);
	EXPECT_EQ(event.count, 5u);
	EXPECT_EQ(event.reason, LISTENQ_DROP_NONE);
}

TEST_F(listener, event__both_at_once_and_close_ends_them)
{
	lq_event event{};
	lq_config c = classic(0);

	c.syncookies = 2;
	listen(c);
	syn = make_syn(0);
	ASSERT_EQ(send_syn(syn), LQ_SYN_COOKIE);
	ASSERT_TRUE(core.take_event(event));
	c.syncookies = 0;
	listen(c);
	ASSERT_TRUE(half_open(1) && half_open(2));
	ASSERT_EQ(send_ack(1), LQ_ACK_PROMOTE);
	ASSERT_EQ(commit(), LQ_COMMIT_OK);
	ASSERT_EQ(send_ack(2), LQ_ACK_DROP);
	ASSERT_TRUE(core.take_event(event));
	EXPECT_EQ(event.type, LISTENQ_EVENT_TYPE_OVERFLOW_BEGAN);
	EXPECT_EQ(event.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
	close();
	ASSERT_TRUE(core.take_event(event));
	EXPECT_EQ(event.type, LISTENQ_EVENT_TYPE_OVERFLOW_ENDED);
	ASSERT_TRUE(core.take_event(event));
	EXPECT_EQ(event.type, LISTENQ_EVENT_TYPE_COOKIES_ENDED);
	EXPECT_FALSE(core.event_pending());
	// What comes for a closed listener begins nothing.
	syn = make_syn(3);
	ASSERT_EQ(send_syn(syn), LQ_SYN_CLOSED);
	EXPECT_FALSE(core.event_pending());
}
