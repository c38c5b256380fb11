// SPDX-License-Identifier: GPL-2.0
// Listener: the verdicts about an ACK or RST, and replies to duplicates and out-of-window segments.
#include <cstring>

#include "listener_fixture.hh"

using namespace testing_core;

// --- an ACK or RST ---

TEST_F(listener, ack__unknown)
{
	EXPECT_EQ(send_ack(0), LQ_ACK_UNKNOWN);
	ASSERT_TRUE(half_open(0));
	EXPECT_EQ(send_ack(1), LQ_ACK_UNKNOWN);
	EXPECT_EQ(send_rst(1), LQ_ACK_UNKNOWN);
	EXPECT_EQ(info().drops, 0u);
}

TEST_F(listener, ack_for_request__promotes)
{
	Request *r = half_open(0);

	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_NONE);
	EXPECT_EQ(promotion.request, r);
	EXPECT_TRUE(r->flags & LQ_REQ_PROMOTING);
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(commit(123), LQ_COMMIT_OK);
	EXPECT_EQ(info().syn_qlen, 0u);
	EXPECT_EQ(info().accept_qlen, 1u);
	EXPECT_EQ(r->stamp_us, 123u);
	EXPECT_EQ(r->child, &a_child);
}

// Nothing is counted, killed, remembered or answered before TCP's own checks let the segment near.
TEST_F(listener, ack_for_request__changes_nothing_but_a_promotion_unvetted)
{
	lq_config c = config();

	c.defer_accept = 2;
	listen(c);
	Request *r = half_open(0);
	ASSERT_TRUE(r);
	const auto unvetted = [&](auto change) {
		ack = make_ack(0);
		ack.vetted = false;
		change(ack);
		const lq_request before = *r;
		const u64 drops = info().drops;
		const lq_ack_verdict verdict = send_ack(ack);

		EXPECT_EQ(ack.reason, LISTENQ_DROP_NONE);
		EXPECT_FALSE(was_freed);
		EXPECT_EQ(info().drops, drops);
		EXPECT_EQ(std::memcmp(&before, r, sizeof(before)), 0);
		return verdict;
	};

	EXPECT_EQ(unvetted([](lq_ack &a) { a.rst = true; }), LQ_ACK_VET);
	EXPECT_EQ(unvetted([](lq_ack &a) {
			  a.seq += 1 << 20;
			  a.end_seq = a.seq;
		  }),
		  LQ_ACK_VET);
	EXPECT_EQ(unvetted([](lq_ack &a) {
			  a.syn = true;
			  a.end_seq++;
		  }),
		  LQ_ACK_VET);
	EXPECT_EQ(unvetted([](lq_ack &a) { a.ack = false; }), LQ_ACK_VET);
	EXPECT_EQ(unvetted([](lq_ack &) {}), LQ_ACK_VET); // deferred
	EXPECT_EQ(unvetted([](lq_ack &a) { a.ack_seq++; }), LQ_ACK_PASS);
	EXPECT_EQ(info().syn_qlen, 1u);
	ack = make_ack(0);
	EXPECT_EQ(send_ack(ack), LQ_ACK_DROP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACK_DEFERRED);
}

TEST_F(listener, ack_for_request__a_full_accept_queue_unvetted)
{
	lq_config c = config();

	c.backlog = c.backlog_asked = 0;
	c.abort_on_overflow = 1;
	listen(c);
	ASSERT_TRUE(half_open(0));
	ASSERT_TRUE(half_open(1));
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	ASSERT_EQ(commit(), LQ_COMMIT_OK);
	ack = make_ack(1);
	ack.vetted = false;
	EXPECT_EQ(send_ack(ack), LQ_ACK_VET);
	EXPECT_FALSE(was_freed);
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(send_ack(1), LQ_ACK_REFUSE);
	EXPECT_TRUE(was_freed);
}

TEST_F(listener, promote_commit__of_another_life)
{
	ASSERT_TRUE(half_open(0));
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	promotion.life--;
	EXPECT_EQ(commit(), LQ_COMMIT_CLOSED);
	free_request(promotion.request);
	EXPECT_EQ(info().accept_qlen, 0u);
	EXPECT_EQ(info().syn_qlen, 0u);
}

TEST_F(listener, ack_for_request__with_data_or_fin)
{
	ASSERT_TRUE(half_open(0));
	ack = make_ack(0);
	ack.end_seq += 101;
	EXPECT_EQ(send_ack(ack), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, ack_for_request__wrong_number_is_passed_on)
{
	Request *r = half_open(0);

	for (const u32 wrong : {kSntIsn, kSntIsn + 2, kSntIsn + 1 + 0x80000000}) {
		ack = make_ack(0);
		ack.ack_seq = wrong;
		EXPECT_EQ(send_ack(ack), LQ_ACK_PASS);
		EXPECT_EQ(ack.reason, LISTENQ_DROP_NONE);
	}
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(r->flags & LQ_REQ_PROMOTING, 0);
}

TEST_F(listener, ack_for_request__a_segment_without_ack_makes_no_child)
{
	ASSERT_TRUE(half_open(0));
	for (const u32 length : {0u, 1u, 100u}) { // nothing, FIN, data
		ack = make_ack(0);
		ack.ack = false;
		ack.end_seq += length;
		EXPECT_EQ(send_ack(ack), LQ_ACK_DROP);
		EXPECT_FALSE(was_freed);
	}
	EXPECT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, ack_for_request__outside_the_window)
{
	ASSERT_TRUE(half_open(0));
	ack = make_ack(0);
	ack.seq = ack.end_seq = kRcvIsn; // a keepalive
	EXPECT_EQ(send_ack(ack), LQ_ACK_CHALLENGE);
	EXPECT_EQ(copy.request.snt_isn, kSntIsn);
	EXPECT_EQ(send_ack(ack), LQ_ACK_SKIP); // rate limited
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACK_BAD_SEQ);
	// Data is always answered.
	ack.seq = kRcvIsn + 5000;
	ack.end_seq = ack.seq + 10;
	EXPECT_EQ(send_ack(ack), LQ_ACK_CHALLENGE);
	EXPECT_EQ(send_ack(ack), LQ_ACK_CHALLENGE);
	EXPECT_EQ(info().syn_qlen, 1u);
}

TEST_F(listener, ack_for_request__a_syn_with_data_is_rate_limited)
{
	ASSERT_TRUE(half_open(0));
	ack = make_ack(0);
	ack.syn = true;
	ack.seq = kRcvIsn + 5000;
	ack.end_seq = ack.seq + 11;
	EXPECT_EQ(send_ack(ack), LQ_ACK_CHALLENGE);
	EXPECT_EQ(send_ack(ack), LQ_ACK_SKIP);
}

TEST_F(listener, ack_for_request__the_syn_again_with_fin)
{
	ASSERT_TRUE(half_open(0));
	ack = make_ack(0);
	ack.ack = false;
	ack.syn = true;
	ack.seq = kRcvIsn;
	ack.end_seq = kRcvIsn + 2;
	EXPECT_EQ(send_ack(ack), LQ_ACK_DUPLICATE);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_NONE);
	EXPECT_EQ(copy.request.snt_isn, kSntIsn);
	EXPECT_EQ(copy.request.num_retrans, 1);
	EXPECT_EQ(send_ack(ack), LQ_ACK_SKIP); // rate limited
	EXPECT_EQ(ack.reason, LISTENQ_DROP_SYN_RATE_LIMITED);
	EXPECT_EQ(info().syn_qlen, 1u);
	// Of no request it is nobody's.
	ack.key = make_ack(1).key;
	EXPECT_EQ(send_ack(ack), LQ_ACK_UNKNOWN);
}

TEST_F(listener, unreachable__ends_the_request_that_it_quotes)
{
	const lq_key key = make_ack(0).key, other = make_ack(1).key;
	Request *freed = nullptr;

	EXPECT_EQ(core.unreachable(key, listenq::Seq{kSntIsn}, true, freed),
		  LQ_UNREACHABLE_UNKNOWN);
	ASSERT_TRUE(half_open(0));
	EXPECT_EQ(core.unreachable(other, listenq::Seq{kSntIsn}, true, freed),
		  LQ_UNREACHABLE_UNKNOWN);
	for (const u32 seq : {kSntIsn - 1, kSntIsn + 1, kSntIsn + 0x80000000})
		EXPECT_EQ(core.unreachable(key, listenq::Seq{seq}, true, freed),
			  LQ_UNREACHABLE_OUT_OF_WINDOW);
	EXPECT_EQ(core.unreachable(key, listenq::Seq{kSntIsn}, false, freed), LQ_UNREACHABLE_KEPT);
	EXPECT_EQ(freed, nullptr);
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(core.unreachable(key, listenq::Seq{kSntIsn}, true, freed), LQ_UNREACHABLE_ENDED);
	ASSERT_NE(freed, nullptr);
	free_request(freed);
	EXPECT_EQ(info().syn_qlen, 0u);
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_UNREACHABLE), 1u);
	EXPECT_EQ(send_ack(0), LQ_ACK_UNKNOWN);
}

TEST_F(listener, unreachable__leaves_a_child_under_way_alone)
{
	Request *freed = nullptr;

	ASSERT_TRUE(half_open(0));
	EXPECT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_EQ(core.unreachable(make_ack(0).key, listenq::Seq{kSntIsn}, true, freed),
		  LQ_UNREACHABLE_UNKNOWN);
	EXPECT_EQ(freed, nullptr);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, ack_for_request__old_timestamp)
{
	Request *r = half_open(0);

	r->flags |= LQ_REQ_TSTAMP;
	r->ts_recent = 1000;
	ack = make_ack(0);
	ack.saw_tstamp = true;
	ack.tsval = 999;
	EXPECT_EQ(send_ack(ack), LQ_ACK_CHALLENGE);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACK_PAWS);
	ack.tsval = 1000;
	EXPECT_EQ(send_ack(ack), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, ack_for_request__a_syn_inside_the_window_kills)
{
	ASSERT_TRUE(half_open(0));
	ack = make_ack(0);
	ack.syn = true;
	ack.end_seq++;
	EXPECT_EQ(send_ack(ack), LQ_ACK_REFUSE);
	EXPECT_TRUE(was_freed);
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_SYN_IN_WINDOW), 1u);
	EXPECT_EQ(info().syn_qlen, 0u);
}

TEST_F(listener, ack_for_request__the_syn_s_own_number_is_cut_off)
{
	ASSERT_TRUE(half_open(0));
	ack = make_ack(0);
	ack.syn = true;
	ack.seq = kRcvIsn;
	ack.end_seq = kRcvIsn + 1 + 5; // with data: part of it is inside the window
	EXPECT_EQ(send_ack(ack), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, ack_for_request__exact_rst_kills)
{
	ASSERT_TRUE(half_open(0));
	EXPECT_EQ(send_rst(0), LQ_ACK_DROP);
	EXPECT_TRUE(was_freed);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_REQUEST_RESET);
	EXPECT_EQ(info().syn_qlen, 0u);
	EXPECT_EQ(info().syn_young, 0u);
	EXPECT_EQ(send_ack(0), LQ_ACK_UNKNOWN);
}

TEST_F(listener, ack_for_request__rst_in_the_window_is_challenged)
{
	ASSERT_TRUE(half_open(0));
	EXPECT_EQ(send_rst(0, kRcvIsn + 2), LQ_ACK_CHALLENGE);
	EXPECT_EQ(send_rst(0, kRcvIsn + 1000), LQ_ACK_SKIP); // rate limited
	EXPECT_FALSE(was_freed);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACK_BAD_SEQ);
	EXPECT_EQ(info().syn_qlen, 1u);
}

TEST_F(listener, ack_for_request__rst_outside_the_window_is_ignored)
{
	ASSERT_TRUE(half_open(0));
	for (const u32 seq : {kRcvIsn, kRcvIsn + 1002, kRcvIsn + 0x80000000}) {
		EXPECT_EQ(send_rst(0, seq), LQ_ACK_DROP);
		EXPECT_FALSE(was_freed);
		EXPECT_EQ(ack.reason, LISTENQ_DROP_ACK_BAD_SEQ);
	}
	EXPECT_EQ(info().syn_qlen, 1u);
}

TEST_F(listener, ack_for_request__deferred_until_data_or_the_count)
{
	lq_config c = config();

	c.defer_accept = 2;
	listen(c);
	Request *r = half_open(0);
	EXPECT_EQ(send_ack(0), LQ_ACK_DROP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACK_DEFERRED);
	EXPECT_TRUE(r->flags & LQ_REQ_ACKED);
	ack = make_ack(0);
	ack.end_seq++;
	EXPECT_EQ(send_ack(ack), LQ_ACK_PROMOTE);
	EXPECT_FALSE(aborted(core, promotion));
	r->num_timeout = 1;
	EXPECT_EQ(send_ack(0), LQ_ACK_DROP);
	r->num_timeout = 2;
	EXPECT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_FALSE(aborted(core, promotion));
	r->num_timeout = 0;
}

TEST_F(listener, ack_for_request__full_accept_queue_keeps_the_request)
{
	listen(classic(1));
	ASSERT_TRUE(establish(0));
	ASSERT_TRUE(establish(1));
	Request *r = half_open(2);
	EXPECT_EQ(send_ack(2), LQ_ACK_DROP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
	EXPECT_TRUE(r->flags & LQ_REQ_ACKED);
	EXPECT_EQ(info().accept_qlen, 2u);
	ASSERT_TRUE(accept());
	EXPECT_EQ(send_ack(2), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, ack_for_request__abort_on_overflow)
{
	lq_config c = classic(0);

	c.abort_on_overflow = 1;
	listen(c);
	ASSERT_TRUE(establish(0));
	ASSERT_TRUE(half_open(1));
	EXPECT_EQ(send_ack(1), LQ_ACK_REFUSE);
	EXPECT_TRUE(was_freed);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ABORT_ON_OVERFLOW);
	EXPECT_EQ(info().syn_qlen, 0u);
	EXPECT_EQ(info().flags, u32{LISTENQ_F_ABORT_ON_OVERFLOW});
}

TEST_F(listener, ack_for_request__promotions_under_way_hold_slots)
{
	listen(config(1));
	for (u32 n = 0; n < 3; n++)
		ASSERT_TRUE(half_open(n));
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	const lq_promotion first = promotion;
	ASSERT_EQ(send_ack(1), LQ_ACK_PROMOTE);
	const lq_promotion second = promotion;
	EXPECT_EQ(send_ack(2), LQ_ACK_DROP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
	// backlog + 1 children that fail must not kill the listener.
	EXPECT_FALSE(aborted(core, first));
	EXPECT_FALSE(aborted(core, second));
	for (u32 n = 0; n < 2; n++) {
		ASSERT_EQ(send_ack(n), LQ_ACK_PROMOTE);
		ASSERT_EQ(commit(), LQ_COMMIT_OK);
	}
	EXPECT_EQ(info().accept_qlen, 2u);
}

TEST_F(listener, ack_for_request__while_a_child_is_built)
{
	ASSERT_TRUE(half_open(0));
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	const lq_promotion first = promotion;
	for (const bool rst : {false, true}) {
		EXPECT_EQ(rst ? send_rst(0) : send_ack(0), LQ_ACK_WAIT);
		EXPECT_EQ(ack.reason, LISTENQ_DROP_NONE);
		EXPECT_EQ(drops(LISTENQ_DROP_ACK_BUSY), rst ? 1u : 0u);
		ack.waited = true;
		EXPECT_EQ(send_ack(ack), LQ_ACK_DROP);
		EXPECT_EQ(ack.reason, LISTENQ_DROP_ACK_BUSY);
		EXPECT_FALSE(was_freed);
	}
	EXPECT_EQ(drops(LISTENQ_DROP_ACK_BUSY), 2u);
	EXPECT_EQ(core.promote_commit(first, &a_child, Micros{0}, evicted), LQ_COMMIT_OK);
}

TEST_F(listener, promote_commit__an_old_request)
{
	ASSERT_TRUE(half_open(0));
	ASSERT_TRUE(half_open(1));
	now += kHz;
	tick();
	EXPECT_EQ(info().syn_young, 0u);
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	ASSERT_EQ(commit(), LQ_COMMIT_OK);
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(info().syn_young, 0u);
}

// But for its ACK, which came, whatever the reason.
TEST_F(listener, promote_abort__leaves_the_request_as_it_was)
{
	unsigned peer = 0;

	for (const listenq_drop reason : {LISTENQ_DROP_CHILD_FAILED, LISTENQ_DROP_NO_ROUTE,
					  LISTENQ_DROP_LSM, LISTENQ_DROP_NO_MEMORY}) {
		Request *r = half_open(peer);
		Request before = *r;
		listenq_drop told = reason;

		before.flags |= LQ_REQ_ACKED;
		ASSERT_EQ(send_ack(peer), LQ_ACK_PROMOTE);
		EXPECT_FALSE(core.promote_abort(promotion, told));
		EXPECT_EQ(told, reason);
		EXPECT_EQ(std::memcmp(&before, r, sizeof(before)), 0);
		EXPECT_EQ(drops(reason), 1u);
		peer++;
		EXPECT_EQ(info().syn_qlen, peer);
		EXPECT_EQ(info().syn_young, peer);
	}
}

// As if its ACK had not come.
TEST_F(listener, promote_abort__undone)
{
	Request *r = half_open(0);
	const Request before = *r;
	listenq_drop told = LISTENQ_DROP_NONE;

	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_FALSE(core.promote_abort(promotion, told));
	EXPECT_EQ(told, LISTENQ_DROP_NONE);
	EXPECT_EQ(std::memcmp(&before, r, sizeof(before)), 0);
	EXPECT_EQ(info().drops, 0u);
}

// --- replies to duplicates and out-of-window segments ---

TEST_F(listener, rate_limited__off)
{
	lq_config c = config();

	c.oow_ratelimit_ms = 0;
	listen(c);
	ASSERT_TRUE(half_open(0));
	for (unsigned i = 0; i < 10; i++)
		EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE);
}

TEST_F(listener, rate_limited__for_half_a_second_whatever_the_time)
{
	// Through a whole turn of the 1/16 s clock, and the wrap of the ticks.
	for (const u32 start : {0u, 6u, 254u * 6, 255u * 6, 256u * 6, 0x80000000u, 0xffff0000u}) {
		now = start;
		close();
		listen(config());
		ASSERT_TRUE(half_open(0));
		EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE);
		now += kHz / 4;
		EXPECT_EQ(send_syn(0), LQ_SYN_DROP) << start;
		now += kHz / 2;
		EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE) << start;
	}
}

TEST_F(listener, rate_limited__the_timer_forgets_before_the_clock_comes_round)
{
	lq_config c = config();

	c.synack_timeout_ms = 120000; // so that it stays
	listen(c);
	ASSERT_TRUE(half_open(0));
	EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE);
	const u32 turn = 255 * (kHz / 16);
	for (const u32 then = now; now - then < turn - kHz / 5;) {
		now += kHz / LQ_TICKS_PER_SECOND;
		tick();
	}
	// The same stamp again, or a little less: it is not "just now".
	EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE);
}

TEST_F(listener, rate_limited__a_long_limit_is_cut)
{
	lq_config c = config();

	c.oow_ratelimit_ms = 0xffffffff; // no overflow
	c.synack_timeout_ms = 120000;
	listen(c);
	ASSERT_TRUE(half_open(0));
	EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE);
	now += kHz;
	EXPECT_EQ(send_syn(0), LQ_SYN_DROP);
}

// --- how long handshakes take ---

TEST_F(listener, handshake__from_the_first_syn_ack_across_the_wrap)
{
	Request *r = half_open(0);
	ASSERT_TRUE(r);
	r->stamp_us = 0xffffff00;
	EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE); // another SYN-ACK
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_EQ(counters().handshake_us, 0u);
	ASSERT_EQ(commit(0x300), LQ_COMMIT_OK);
	EXPECT_EQ(counters().handshake[listenq::wait_bucket(1024)], 1u);
	EXPECT_EQ(counters().handshake_us, 1024u);
	// How long it waits for accept() begins only now.
	ASSERT_TRUE(accept(0x302));
	EXPECT_EQ(counters().accept_wait[2], 1u);
}

TEST_F(listener, handshake__only_of_those_that_came_to_an_end)
{
	// Given up by its peer, not built, and built for nobody.
	ASSERT_TRUE(half_open(0));
	EXPECT_EQ(send_rst(0), LQ_ACK_DROP);
	ASSERT_TRUE(half_open(1));
	ASSERT_EQ(send_ack(1), LQ_ACK_PROMOTE);
	listenq_drop reason = LISTENQ_DROP_CHILD_FAILED;
	EXPECT_FALSE(core.promote_abort(promotion, reason));
	ASSERT_EQ(send_ack(1), LQ_ACK_PROMOTE);
	Request *orphan = promotion.request;
	close();
	EXPECT_EQ(commit(50), LQ_COMMIT_CLOSED);
	free_request(orphan);
	EXPECT_EQ(counters().handshake_us, 0u);
	for (const u64 n : counters().handshake)
		EXPECT_EQ(n, 0u);
}
