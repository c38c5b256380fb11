// SPDX-License-Identifier: GPL-2.0
// Listener: what an accept filter holds never makes the accept queue longer than its limit, nor
// waits for ever.
#include "listener_fixture.hh"

namespace testing_core {

namespace {

// A listener of two places, with a filter.
class listener_filter : public listener {
protected:
	void SetUp() override
	{
		settings = classic(1);
		listen(settings);
		core.filter_set(LQ_FILTER_DATAREADY);
	}

	// One that is held, since @us.
	Request *hold(u32 n, u32 us = 0)
	{
		Request *r = half_open(n);

		EXPECT_EQ(send_ack(n), LQ_ACK_PROMOTE);
		EXPECT_EQ(commit(us), LQ_COMMIT_HELD);
		return r;
	}
	lq_passed pass(Request *r) { return core.filter_pass(*r, Micros{0}); }

	lq_config settings{};
};

} // namespace

TEST_F(listener_filter, pass__not_beyond_the_limit)
{
	settings = config(5);
	listen(settings);
	Request *r[4];

	for (u32 n = 0; n < 4; n++)
		r[n] = hold(n);
	settings = config(1);
	listen(settings);
	EXPECT_EQ(pass(r[3]), LQ_PASSED_QUEUED);
	EXPECT_EQ(pass(r[1]), LQ_PASSED_QUEUED);
	EXPECT_EQ(pass(r[2]), LQ_PASSED_READY);
	EXPECT_EQ(pass(r[0]), LQ_PASSED_READY);
	EXPECT_EQ(pass(r[0]), LQ_PASSED_NOT);
	EXPECT_EQ(info().accept_qlen, 2u);
	EXPECT_EQ(info().filter_qlen, 2u);
	EXPECT_FALSE(core.filter_room());
	EXPECT_EQ(core.filter_take(), nullptr);

	// accept() makes room for the one that is ready for longest.
	EXPECT_TRUE(accept());
	EXPECT_TRUE(core.filter_room());
	EXPECT_EQ(core.filter_take(), r[2]);
	EXPECT_FALSE(core.filter_room()); // its place is reserved
	EXPECT_EQ(pass(r[2]), LQ_PASSED_NOT);
	EXPECT_FALSE(core.filter_gone(*r[2]));
	EXPECT_TRUE(core.filter_admit(*r[2], Micros{0}));
	EXPECT_EQ(info().accept_qlen, 2u);
	EXPECT_EQ(info().established, 3u);
	EXPECT_TRUE(core.filter_gone(*r[0]));
	free_request(r[0]);
}

// A place that is free for a moment goes to one that is ready, not to one that comes.
TEST_F(listener_filter, ready__before_others)
{
	Request *ready = hold(0);

	core.filter_set(LQ_FILTER_NONE);
	ASSERT_TRUE(establish(1));
	ASSERT_TRUE(establish(2, 0));
	EXPECT_EQ(pass(ready), LQ_PASSED_READY);
	EXPECT_TRUE(accept());
	ASSERT_TRUE(half_open(3));
	EXPECT_EQ(send_ack(3), LQ_ACK_DROP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
	EXPECT_EQ(core.filter_take(), ready);
	EXPECT_TRUE(core.filter_admit(*ready, Micros{0}));
	EXPECT_TRUE(accept());
	EXPECT_EQ(send_ack(3), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

// An ACK that had a place reserved gives it up as its child is held.
TEST_F(listener_filter, room__when_a_promotion_is_held_or_fails)
{
	Request *ready[2] = {hold(0), hold(1)};

	half_open(2);
	half_open(3);
	ASSERT_EQ(send_ack(2), LQ_ACK_PROMOTE);
	const lq_promotion first = promotion;
	ASSERT_EQ(send_ack(3), LQ_ACK_PROMOTE);
	EXPECT_EQ(pass(ready[0]), LQ_PASSED_READY);
	EXPECT_EQ(pass(ready[1]), LQ_PASSED_READY);
	EXPECT_FALSE(core.filter_room());
	EXPECT_FALSE(aborted(core, first));
	EXPECT_TRUE(core.filter_room());
	EXPECT_EQ(core.filter_take(), ready[0]);
	EXPECT_TRUE(core.filter_admit(*ready[0], Micros{0}));
	EXPECT_FALSE(core.filter_room());
	EXPECT_EQ(commit(), LQ_COMMIT_HELD);
	EXPECT_TRUE(core.filter_room());
}

TEST_F(listener_filter, overflow__those_that_are_ready_stay)
{
	Request *ready = hold(0);

	hold(1);
	core.filter_set(LQ_FILTER_NONE);
	ASSERT_TRUE(establish(2) && establish(3));
	core.filter_set(LQ_FILTER_DATAREADY);
	EXPECT_EQ(pass(ready), LQ_PASSED_READY);
	EXPECT_TRUE(accept() && accept());
	EXPECT_EQ(core.filter_take(), ready);
	EXPECT_TRUE(core.filter_admit(*ready, Micros{0}));
	// Two wait; of each that comes now the oldest makes room.
	hold(4);
	EXPECT_EQ(drops(LISTENQ_DROP_FILTER_OVERFLOW), 0u);
	hold(5);
	EXPECT_EQ(drops(LISTENQ_DROP_FILTER_OVERFLOW), 1u);
	EXPECT_EQ(info().filter_qlen, 2u);
	EXPECT_EQ(closed_connections, 1u);
}

// All that are held are ready: the one that comes is the only one that can go.
TEST_F(listener_filter, overflow__the_newest_itself)
{
	half_open(7);
	for (u32 n = 0; n < 2; n++)
		hold(n);
	ASSERT_EQ(send_ack(7), LQ_ACK_PROMOTE);
	EXPECT_FALSE(core.filter_release(9));
	EXPECT_EQ(core.filter_ready(), 2u);
	EXPECT_EQ(core.promote_commit(promotion, &a_child, Micros{0}, evicted), LQ_COMMIT_HELD);
	EXPECT_EQ(evicted, promotion.request);
	EXPECT_EQ(evicted->next, nullptr);
	free_request(evicted);
	EXPECT_EQ(info().filter_qlen, 2u);
}

TEST_F(listener_filter, release__in_parts)
{
	Request *first = hold(0);

	hold(1);
	EXPECT_TRUE(core.filter_release(1));
	EXPECT_EQ(core.filter_ready(), 1u);
	EXPECT_FALSE(core.filter_refuse(*first));
	EXPECT_FALSE(core.filter_release(1));
	EXPECT_EQ(core.filter_ready(), 2u);
	EXPECT_FALSE(core.filter_release(1));
	EXPECT_EQ(core.filter_take(), first);
	EXPECT_TRUE(core.filter_admit(*first, Micros{0}));
}

TEST_F(listener_filter, expire__the_oldest_and_not_before)
{
	constexpr u32 kLimit = 60000000, kStart = 0xffffff00;

	EXPECT_EQ(core.filter_due_us(Micros{5}), LQ_NEVER_US);
	Request *old = hold(0, kStart);
	hold(1, kStart + 500);
	EXPECT_EQ(core.filter_due_us(Micros{kStart + 100}), kLimit - 100);
	EXPECT_FALSE(core.filter_expire(Micros{kStart + kLimit - 1}, 9));
	EXPECT_EQ(core.filter_ready(), 0u);
	EXPECT_EQ(core.filter_due_us(Micros{kStart + kLimit}), 0u);
	EXPECT_TRUE(core.filter_expire(Micros{kStart + kLimit}, 0));
	EXPECT_FALSE(core.filter_expire(Micros{kStart + kLimit}, 9));
	EXPECT_EQ(core.filter_ready(), 1u);
	EXPECT_EQ(core.filter_due_us(Micros{kStart + kLimit}), 500u);
	EXPECT_EQ(core.filter_take(), old);
	EXPECT_TRUE(core.filter_admit(*old, Micros{kStart + kLimit}));

	settings.filter_timeout_ms = 0;
	listen(settings);
	EXPECT_EQ(core.filter_due_us(Micros{kStart - 1}), LQ_NEVER_US);
	EXPECT_FALSE(core.filter_expire(Micros{kStart - 1}, 9));
	EXPECT_EQ(core.filter_ready(), 0u);
}

TEST_F(listener_filter, admit__not_to_one_that_closed)
{
	Request *r = hold(0);

	EXPECT_FALSE(core.filter_release(1));
	ASSERT_EQ(core.filter_take(), r);
	close();
	EXPECT_EQ(drops(LISTENQ_DROP_LISTENER_CLOSED), 0u);
	EXPECT_FALSE(core.filter_admit(*r, Micros{0}));
	EXPECT_EQ(drops(LISTENQ_DROP_LISTENER_CLOSED), 1u);
	free_request(r);
	// Its place is free again.
	listen(settings);
	EXPECT_TRUE(establish(1) && establish(2));
}

TEST_F(listener_filter, close__those_that_are_ready_are_reset)
{
	hold(0);
	hold(1);
	EXPECT_TRUE(core.filter_release(1));
	close();
	EXPECT_EQ(closed_connections, 2u);
	EXPECT_EQ(drops(LISTENQ_DROP_LISTENER_CLOSED), 2u);
	EXPECT_EQ(core.filter_take(), nullptr);
}

} // namespace testing_core
