// SPDX-License-Identifier: GPL-2.0
// Listener: its life, accept() and a look inside, one case at a time. Beside it
// listener_syn_test.cc, listener_ack_test.cc, listener_timer_test.cc and listener_event_test.cc;
// bridge_test.cc has the random sequences.
#include <cstring>

#include "listener_fixture.hh"

using namespace testing_core;

// --- listen() and close() ---

TEST_F(listener, listen__a_second_one_grows_and_shrinks_without_loss)
{
	for (u32 n = 0; n < 8; n++)
		ASSERT_TRUE(establish(n)) << n;
	for (u32 n = 20; n < 30; n++)
		ASSERT_TRUE(half_open(n)) << n;
	for (const s32 backlog : {100, 0, 3, 4096}) {
		listen(config(backlog));
		EXPECT_EQ(info().accept_qlen, 8u);
		EXPECT_EQ(info().syn_qlen, 10u);
		EXPECT_EQ(info().accept_limit, static_cast<u32>(backlog) + 1);
		EXPECT_EQ(core.check(), nullptr);
	}
	for (u32 n = 20; n < 30; n++) {
		ASSERT_EQ(send_ack(n), LQ_ACK_PROMOTE);
		ASSERT_EQ(commit(), LQ_COMMIT_OK);
	}
	EXPECT_EQ(info().accept_qlen, 18u);
}

TEST_F(listener, listen__keeps_a_table_that_is_fine)
{
	ASSERT_TRUE(half_open(0));
	listen(config(2));
	EXPECT_EQ(info().syn_buckets, 16u);
	EXPECT_EQ(info().accept_limit, 3u);
	EXPECT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, listen__between_ack_and_commit)
{
	ASSERT_TRUE(half_open(0));
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	listen(config(4096, 4096)); // another table
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
	EXPECT_EQ(info().syn_qlen, 0u);
	EXPECT_EQ(info().accept_qlen, 1u);
}

TEST_F(listener, listen__between_syn_and_commit)
{
	ASSERT_EQ(send_syn(0), LQ_SYN_NEW);
	listen(config(4096, 4096));
	ASSERT_EQ(core.syn_commit(syn, *new_request(peer(0)), false), LQ_COMMIT_OK);
	EXPECT_EQ(core.check(), nullptr);
	EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE);
}

TEST_F(listener, listen__new_limits_hold_at_once)
{
	lq_config c = config();

	for (u32 n = 0; n < 3; n++)
		ASSERT_TRUE(establish(n));
	ASSERT_TRUE(half_open(5));
	c.backlog = 2;
	c.abort_on_overflow = 1;
	listen(c);
	EXPECT_EQ(send_ack(5), LQ_ACK_REFUSE);
}

// A released listener: whatever would be lost by a close keeps it open.
TEST_F(listener, is_drained__nothing_is_under_way)
{
	EXPECT_TRUE(core.is_drained(0));
	ASSERT_EQ(send_syn(0), LQ_SYN_NEW);
	EXPECT_FALSE(core.is_drained(0)) << "a place is reserved";
	EXPECT_FALSE(core.has_request(peer(0)));
	ASSERT_EQ(core.syn_commit(syn, *new_request(peer(0), kRcvIsn, kSntIsn), false),
		  LQ_COMMIT_OK);
	EXPECT_FALSE(core.is_drained(0)) << "a request is queued";
	EXPECT_TRUE(core.has_request(peer(0)));
	EXPECT_FALSE(core.has_request(peer(1)));
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_FALSE(core.is_drained(0)) << "a child is being built";
	ASSERT_EQ(commit(), LQ_COMMIT_OK);
	EXPECT_FALSE(core.has_request(peer(0)));
	EXPECT_FALSE(core.is_drained(0)) << "a connection is queued";
	free_request(core.accept(Micros{0}));
	EXPECT_FALSE(core.is_drained(0)) << "accept() is not done";
	core.accept_done(1);
	EXPECT_TRUE(core.is_drained(0));
	core.filter_set(LQ_FILTER_DATAREADY);
	Request *r = half_open(1);
	ASSERT_EQ(send_ack(1), LQ_ACK_PROMOTE);
	ASSERT_EQ(commit(), LQ_COMMIT_HELD);
	EXPECT_FALSE(core.is_drained(0)) << "a filter holds one";
	ASSERT_TRUE(core.filter_gone(*r));
	free_request(r);
	EXPECT_TRUE(core.is_drained(0));
}

TEST_F(listener, is_drained__the_last_cookie_has_had_its_time)
{
	lq_config c = config();

	c.syncookies = 2;
	listen(c);
	for (const u32 sent_s : {100u, ~0u - 3}) {
		syn = make_syn(0);
		syn.now_s = sent_s;
		ASSERT_EQ(send_syn(syn), LQ_SYN_COOKIE);
		EXPECT_FALSE(core.is_drained(sent_s));
		EXPECT_FALSE(core.is_drained(sent_s + 15));
		EXPECT_TRUE(core.is_drained(sent_s + 16));
	}
}

TEST_F(listener, close__hands_back_both_queues)
{
	for (u32 n = 0; n < 4; n++)
		ASSERT_TRUE(establish(n));
	for (u32 n = 10; n < 13; n++)
		ASSERT_TRUE(half_open(n));
	close();
	EXPECT_EQ(closed_connections, 4u);
	EXPECT_EQ(closed_requests, 3u);
	EXPECT_EQ(drops(LISTENQ_DROP_LISTENER_CLOSED), 7u);
	EXPECT_EQ(info().accept_qlen, 0u);
	EXPECT_EQ(info().syn_qlen, 0u);
	EXPECT_EQ(info().syn_young, 0u);
	close();
	EXPECT_EQ(closed_connections + closed_requests, 0u);
}

TEST_F(listener, close__leaves_a_request_to_the_ack_that_promotes_it)
{
	Request *r = half_open(0);

	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	close();
	EXPECT_EQ(closed_requests, 0u);
	EXPECT_TRUE(r->flags & LQ_REQ_ORPHAN);
	EXPECT_EQ(core.promoting(), 1u);
	EXPECT_EQ(commit(), LQ_COMMIT_CLOSED);
	EXPECT_EQ(core.promoting(), 0u);
	EXPECT_EQ(info().accept_qlen, 0u);
	free_request(r);
}

// Of three ACKs that were promoting, one's child is there before close() comes to its bucket, one
// fails before, and one has its child afterwards.
TEST_F(listener, close__a_part_at_a_time)
{
	constexpr u32 kCount = 12;
	Request *requests[kCount];
	lq_promotion promotions[3];
	lq_drained drained;

	listen(config(100, 100));
	ASSERT_TRUE(establish(100));
	for (u32 n = 0; n < kCount; n++)
		requests[n] = half_open(n);
	for (u32 n = 0; n < 3; n++) {
		ASSERT_EQ(send_ack(n), LQ_ACK_PROMOTE);
		promotions[n] = promotion;
	}
	closed_requests = closed_connections = 0;
	ASSERT_TRUE(close_part(drained, 0)); // closed, and no step yet
	EXPECT_EQ(drained.table, nullptr);
	EXPECT_EQ(core.check(), nullptr);
	EXPECT_EQ(closed_connections, 1u);
	EXPECT_EQ(info().syn_qlen, kCount);

	// Nothing gets in, and nothing gets on.
	EXPECT_EQ(send_syn(50), LQ_SYN_CLOSED);
	EXPECT_EQ(send_ack(4), LQ_ACK_UNKNOWN);
	EXPECT_EQ(send_rst(4), LQ_ACK_UNKNOWN);
	now += 100 * kHz;
	tick();
	EXPECT_TRUE(idle);
	EXPECT_EQ(resent + expired, 0u);
	EXPECT_EQ(core.promote_commit(promotions[0], &a_child, Micros{0}, evicted),
		  LQ_COMMIT_CLOSED);
	free_request(requests[0]);
	EXPECT_FALSE(aborted(core, promotions[1]));
	EXPECT_EQ(core.check(), nullptr);
	EXPECT_EQ(info().syn_qlen, kCount - 1);

	while (close_part(drained, 1)) {
		EXPECT_EQ(drained.table, nullptr);
		EXPECT_EQ(core.check(), nullptr);
	}
	std::free(drained.table);
	EXPECT_EQ(core.check(), nullptr);
	EXPECT_EQ(closed_requests, kCount - 2);
	EXPECT_EQ(core.promote_commit(promotions[2], &a_child, Micros{0}, evicted),
		  LQ_COMMIT_CLOSED);
	free_request(requests[2]);
	// The connection and all requests; not the SYN, which another listener may take.
	EXPECT_EQ(drops(LISTENQ_DROP_LISTENER_CLOSED), 1 + kCount);
	EXPECT_EQ(drops(LISTENQ_DROP_CHILD_FAILED), 1u);
	EXPECT_EQ(info().accept_qlen, 0u);
	listen(config(0));
	EXPECT_TRUE(establish(0));
}

// Until the caller has taken its callbacks away, a child may say that it has data, or is gone.
TEST_F(listener, close__what_a_filter_held_is_held_no_more)
{
	lq_drained drained;
	Request *refused = nullptr;

	core.filter_set(LQ_FILTER_DATAREADY);
	for (u32 n = 0; n < 4; n++) {
		refused = half_open(n);
		ASSERT_EQ(send_ack(n), LQ_ACK_PROMOTE);
		ASSERT_EQ(commit(), LQ_COMMIT_HELD);
	}
	ASSERT_TRUE(core.filter_refuse(*refused));
	ASSERT_FALSE(core.close(~0u, drained));
	std::free(drained.table);
	EXPECT_EQ(drained.held, refused);
	for (Request *r = drained.held; r; r = r->next) {
		EXPECT_EQ(core.filter_pass(*r, Micros{0}), LQ_PASSED_NOT);
		EXPECT_FALSE(core.filter_gone(*r));
		EXPECT_FALSE(core.filter_refuse(*r));
		EXPECT_FALSE(core.filter_put_back(*r));
	}
	EXPECT_EQ(core.filter_refused(), nullptr);
	EXPECT_EQ(free_list(drained.held), 4u);
	EXPECT_EQ(drops(LISTENQ_DROP_LISTENER_CLOSED), 3u);
	EXPECT_EQ(drops(LISTENQ_DROP_FILTER_REFUSED), 1u);
	EXPECT_EQ(info().accept_qlen, 0u);
}

TEST_F(listener, close__then_the_promotion_aborts)
{
	Request *r = half_open(0);

	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	close();
	listenq_drop told = LISTENQ_DROP_NONE;
	EXPECT_TRUE(aborted(core, promotion, &told));
	EXPECT_EQ(told, LISTENQ_DROP_LISTENER_CLOSED);
	EXPECT_EQ(drops(LISTENQ_DROP_CHILD_FAILED), 0u);
	EXPECT_EQ(drops(LISTENQ_DROP_LISTENER_CLOSED), 1u);
	free_request(r);
}

TEST_F(listener, close__then_listen_again_the_orphan_stays_outside)
{
	Request *r = half_open(0);

	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	const lq_promotion old = promotion;
	close();
	listen(classic(0));
	// Its slot is still held.
	ASSERT_TRUE(half_open(0));
	EXPECT_EQ(send_ack(0), LQ_ACK_DROP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
	EXPECT_EQ(core.promote_commit(old, &a_child, Micros{0}, evicted), LQ_COMMIT_CLOSED);
	free_request(r);
	EXPECT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, close__nothing_gets_in_afterwards)
{
	close();
	EXPECT_EQ(send_syn(0), LQ_SYN_CLOSED);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_NONE);
	EXPECT_EQ(send_ack(0), LQ_ACK_UNKNOWN);
	EXPECT_FALSE(accept());
	tick();
	EXPECT_TRUE(idle);
}

// --- accept() ---

TEST_F(listener, accept__oldest_first)
{
	for (u32 n = 0; n < 5; n++)
		ASSERT_TRUE(establish(n));
	for (u32 n = 0; n < 5; n++) {
		Request *r = core.accept(Micros{0});

		ASSERT_NE(r, nullptr);
		EXPECT_EQ(r->addr[0], peer(n).addr[0]);
		EXPECT_EQ(r->peer_port, peer(n).peer_port);
		free_request(r);
		core.accept_done(1);
	}
	EXPECT_FALSE(accept());
	EXPECT_EQ(info().accepted, 5u);
	EXPECT_EQ(info().established, 5u);
	EXPECT_EQ(info().accept_qlen_peak, 5u);
}

TEST_F(listener, accept__holds_the_slot_until_done)
{
	listen(classic(0));
	ASSERT_TRUE(establish(0));
	ASSERT_TRUE(half_open(1));
	Request *r = core.accept(Micros{0});
	ASSERT_NE(r, nullptr);
	free_request(r);
	EXPECT_EQ(info().accept_qlen, 0u);
	EXPECT_EQ(send_ack(1), LQ_ACK_DROP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
	core.accept_done(1);
	EXPECT_EQ(send_ack(1), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, accept__waits_by_bucket_across_the_wrap)
{
	ASSERT_TRUE(establish(0, 0xffffff00));
	ASSERT_TRUE(accept(0xffffff00)); // 0
	ASSERT_TRUE(establish(1, 0xffffff00));
	ASSERT_TRUE(accept(0xffffff01)); // 1
	ASSERT_TRUE(establish(2, 0xffffff00));
	ASSERT_TRUE(accept(0x00000300)); // 1024
	const lq_counters all = counters();
	EXPECT_EQ(all.accept_wait[0], 1u);
	EXPECT_EQ(all.accept_wait[1], 1u);
	EXPECT_EQ(all.accept_wait[listenq::wait_bucket(1024)], 1u);
	EXPECT_EQ(all.accept_wait_us, 1025u);
}

// --- a look inside ---

TEST_F(listener, info__a_truncated_backlog_is_said)
{
	lq_config c = config(128);

	EXPECT_EQ(info().flags, 0u);
	c.backlog_asked = 512;
	listen(c);
	EXPECT_EQ(info().flags, u32{LISTENQ_F_BACKLOG_TRUNCATED});
	EXPECT_EQ(info().backlog_asked, 512);
	EXPECT_EQ(info().backlog, 128u);
	c.backlog_asked = -1;
	listen(c);
	EXPECT_EQ(info().flags, u32{LISTENQ_F_BACKLOG_TRUNCATED});
	c.backlog_asked = 128;
	listen(c);
	EXPECT_EQ(info().flags, 0u);
}

TEST_F(listener, info__peaks_stay)
{
	for (u32 n = 0; n < 3; n++)
		ASSERT_TRUE(establish(n));
	for (u32 n = 10; n < 15; n++)
		ASSERT_TRUE(half_open(n));
	while (accept())
		;
	close();
	EXPECT_EQ(info().accept_qlen_peak, 3u);
	EXPECT_EQ(info().syn_qlen_peak, 5u);
}

TEST_F(listener, info__policy_is_padded_with_nul)
{
	listenq_info i;

	std::memset(&i, 0xee, sizeof(i));
	core.info(i);
	EXPECT_STREQ(i.policy, "linux");
	for (size_t n = 5; n < sizeof(i.policy); n++)
		EXPECT_EQ(i.policy[n], 0);
}

TEST_F(listener, check__sees_a_promotion_without_a_slot)
{
	Request *r = half_open(0);

	r->flags |= LQ_REQ_PROMOTING;
	EXPECT_STREQ(core.check(), "listener: more requests are promoted than slots are held");
	r->flags &= static_cast<u8>(~LQ_REQ_PROMOTING);
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_EQ(core.check(), nullptr);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, check__sees_who_is_due_too_early)
{
	Request *r = half_open(0);
	const u32 expires = r->expires;

	r->expires = now - 1;
	EXPECT_STREQ(core.check(), "listener: a request is due before the timer is asked for");
	r->expires = expires;
}

// A queue that takes more steps than it may is left out, and the others are not.
TEST_F(listener, check__within_steps)
{
	Request *half = half_open(0), *whole = half_open(2);
	const u32 steps = core.table_first() + 1; // its buckets, and the request

	ASSERT_EQ(send_ack(2), LQ_ACK_PROMOTE);
	ASSERT_EQ(commit(), LQ_COMMIT_OK);
	half->flags |= LQ_REQ_ORPHAN;
	whole->child = nullptr;
	EXPECT_STREQ(core.check(steps), "SYN queue: an orphan is in the table");
	EXPECT_STREQ(core.check(steps - 1), "accept queue: an entry has no child");
	EXPECT_STREQ(core.check(1), "accept queue: an entry has no child");
	EXPECT_EQ(core.check(0), nullptr);
	half->flags &= static_cast<u8>(~LQ_REQ_ORPHAN);
	whole->child = &a_child;
}
