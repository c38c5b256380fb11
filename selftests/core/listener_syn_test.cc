// SPDX-License-Identifier: GPL-2.0
// Listener: the verdicts about a SYN.
#include <vector>

#include "listener_fixture.hh"

using namespace testing_core;

// --- a SYN ---

TEST_F(listener, syn__new_reserves_and_commit_queues)
{
	ASSERT_EQ(send_syn(0), LQ_SYN_NEW);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_NONE);
	EXPECT_EQ(info().syn_qlen, 0u);
	Request *r = new_request(peer(0));
	r->num_timeout = r->num_retrans = r->oow_stamp = 7;
	EXPECT_EQ(core.syn_commit(syn, *r, false), LQ_COMMIT_OK);
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(info().syn_young, 1u);
	EXPECT_EQ(r->num_timeout, 0u);
	EXPECT_EQ(r->num_retrans, 0u);
	EXPECT_EQ(r->oow_stamp, 0u);
	EXPECT_EQ(r->expires, now + kHz);
	EXPECT_EQ(events(LISTENQ_EVENT_SYN_RECEIVED), 1u);
	EXPECT_EQ(events(LISTENQ_EVENT_REQUEST_CREATED), 1u);
	EXPECT_EQ(events(LISTENQ_EVENT_SYNACK_SENT), 1u);
	EXPECT_EQ(events(LISTENQ_EVENT_SYNACK_RETRANS), 0u);
}

TEST_F(listener, syn__queue_full_counts_reservations)
{
	listen(config(8, 8192)); // 16 buckets
	for (u32 n = 0; n < 15; n++)
		ASSERT_TRUE(half_open(n)) << n;
	ASSERT_EQ(send_syn(15), LQ_SYN_NEW);
	const lq_syn reserved = syn;
	EXPECT_EQ(send_syn(16), LQ_SYN_DROP);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_SYN_QUEUE_FULL);
	core.syn_abort(LISTENQ_DROP_NO_ROUTE);
	EXPECT_EQ(drops(LISTENQ_DROP_NO_ROUTE), 1u);
	EXPECT_TRUE(half_open(16));
	EXPECT_EQ(send_syn(17), LQ_SYN_DROP);
	EXPECT_EQ(drops(LISTENQ_DROP_SYN_QUEUE_FULL), 2u);
	static_cast<void>(reserved);
}

TEST_F(listener, syn__full_accept_queue_admits_until_young_is_2)
{
	lq_config c = config(0);

	c.policy = LQ_POLICY_LINUX_CLASSIC;
	listen(c);
	ASSERT_TRUE(establish(0));
	ASSERT_TRUE(half_open(1));
	ASSERT_TRUE(half_open(2));
	EXPECT_EQ(send_syn(3), LQ_SYN_DROP);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
	// One of them grows old: room for one more.
	now += kHz;
	tick();
	EXPECT_EQ(info().syn_young, 0u);
	EXPECT_TRUE(half_open(3));
	EXPECT_TRUE(half_open(4));
	EXPECT_EQ(send_syn(5), LQ_SYN_DROP);
	EXPECT_TRUE(accept());
	EXPECT_TRUE(half_open(5));
}

// UNP figure 4.10: connections that complete, from where the client stands, while nobody
// accepts. The columns are backlogs 0 to 14.
TEST_F(listener, syn__unp_figure_4_10)
{
	const struct {
		u8 policy;
		u32 queued[15];
	} figure[] = {
		{LQ_POLICY_AIX, {1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22}},
		{LQ_POLICY_LINUX_2_4, {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}},
		{LQ_POLICY_LINUX_CLASSIC, {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}},
		{LQ_POLICY_LINUX, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}, // no column
		{LQ_POLICY_HPUX, {1, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19, 21}},
		{LQ_POLICY_FREEBSD_4, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		{LQ_POLICY_SOLARIS, {1, 2, 4, 5, 6, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22}},
	};

	for (const auto &row : figure) {
		for (s32 backlog = 0; backlog <= 14; backlog++) {
			lq_config c = config(backlog);
			u32 n = 0;

			c.policy = row.policy;
			close();
			listen(c);
			while (half_open(n)) {
				if (send_ack(n) == LQ_ACK_PROMOTE) {
					ASSERT_EQ(commit(), LQ_COMMIT_OK);
				}
				ASSERT_LT(++n, 100u);
			}
			EXPECT_EQ(n, row.queued[backlog])
				<< lq_core_policy_name(row.policy) << ' ' << backlog;
		}
	}
}

TEST_F(listener, syn__sums_count_the_half_open)
{
	for (const u8 policy : {LQ_POLICY_BSD, LQ_POLICY_BERKELEY, LQ_POLICY_XNU}) {
		lq_config c = config(4);
		u32 n = 0;

		c.policy = policy;
		close();
		listen(c);
		while (half_open(n))
			n++;
		EXPECT_EQ(syn.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
		EXPECT_EQ(n, policy == LQ_POLICY_BERKELEY ? 7u : 4u) << unsigned{policy};
		// Each of them has its place.
		for (u32 i = 0; i < n; i++) {
			ASSERT_EQ(send_ack(i), LQ_ACK_PROMOTE);
			ASSERT_EQ(commit(), LQ_COMMIT_OK);
		}
		EXPECT_FALSE(half_open(n));
		ASSERT_TRUE(accept());
		EXPECT_TRUE(half_open(n));
	}
}

TEST_F(listener, syn__windows_refuses_with_rst)
{
	lq_config c = config(3);

	c.policy = LQ_POLICY_WINDOWS;
	c.somaxconn = 3;
	listen(c);
	for (u32 n = 0; n < 3; n++)
		ASSERT_TRUE(establish(n));
	EXPECT_EQ(send_syn(3), LQ_SYN_RESET);
	EXPECT_FALSE(was_freed);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
	EXPECT_EQ(drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN), 1u);
}

TEST_F(listener, syn__freebsd_admits_and_resets_at_the_ack)
{
	lq_config c = config(0);

	c.policy = LQ_POLICY_FREEBSD;
	listen(c);
	ASSERT_TRUE(establish(0));
	ASSERT_TRUE(half_open(1));
	EXPECT_EQ(send_ack(1), LQ_ACK_REFUSE);
	EXPECT_TRUE(was_freed);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ABORT_ON_OVERFLOW);
}

TEST_F(listener, syn__freebsd_evicts_the_oldest_of_a_full_bucket)
{
	const listenq::SynQueue hashes(kKeys);
	lq_config c = config(128);
	std::vector<u32> peers; // all in one bucket of 512

	for (u32 n = 0; peers.size() < 32; n++) {
		if (hashes.hash(peer(n)) % 512 == 5)
			peers.push_back(n);
	}
	c.policy = LQ_POLICY_FREEBSD;
	listen(c);
	for (unsigned i = 0; i < 30; i++) {
		ASSERT_TRUE(half_open(peers[i]));
		EXPECT_FALSE(was_freed);
	}
	// The oldest is being promoted: the next one goes.
	ASSERT_EQ(send_ack(peers[0]), LQ_ACK_PROMOTE);
	ASSERT_TRUE(half_open(peers[30]));
	EXPECT_TRUE(was_freed);
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_EVICTED), 1u);
	EXPECT_EQ(info().syn_qlen, 30u);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
	EXPECT_EQ(send_ack(peers[1]), LQ_ACK_UNKNOWN);
	EXPECT_EQ(send_ack(peers[2]), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, syn__freebsd_keeps_the_newest_when_all_buckets_are_full)
{
	const u32 count = 40;
	lq_config c = config(128);
	u32 n = 0;

	c.policy = LQ_POLICY_FREEBSD;
	listen(c);
	while (core.syn_qlen() < info().syn_limit)
		ASSERT_TRUE(half_open(n++));
	for (u32 i = 0; i < count; i++) {
		ASSERT_TRUE(half_open(n++));
		EXPECT_TRUE(was_freed);
	}
	EXPECT_EQ(info().syn_qlen, info().syn_limit);
	for (u32 i = n - count; i < n; i++)
		EXPECT_EQ(send_rst(i), LQ_ACK_DROP) << i;
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_RESET), count);
}

// So many peers whose requests meet in one bucket of a table with @buckets.
static std::vector<u32> colliding(size_t count, u32 buckets)
{
	const listenq::SynQueue hashes(kKeys);
	std::vector<u32> peers;

	for (u32 n = 0; peers.size() < count; n++) {
		if (hashes.hash(peer(n)) % buckets == 5 % buckets)
			peers.push_back(n);
	}
	return peers;
}

TEST_F(listener, syn__a_bucket_has_a_limit)
{
	const u32 limit = 64;
	const std::vector<u32> peers = colliding(limit + 1, 256);

	listen(config(200, 200));
	ASSERT_EQ(info().syn_buckets, 256u);
	for (u32 i = 0; i < limit; i++)
		ASSERT_TRUE(half_open(peers[i])) << i;
	lq_syn syn = make_syn(peers[limit]);
	EXPECT_EQ(send_syn(syn), LQ_SYN_DROP);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_SYN_BUCKET_FULL);
	EXPECT_TRUE(syn.event_pending); // an overflow began
	EXPECT_EQ(drops(LISTENQ_DROP_SYN_BUCKET_FULL), 1u);
	EXPECT_EQ(info().syn_qlen, limit);
	// Another bucket, one that is here already; a peer known from TIME_WAIT is no exception.
	for (u32 n = 0; n < 100; n++) {
		if (std::find(peers.begin(), peers.end(), n) == peers.end()) {
			ASSERT_TRUE(half_open(n));
			break;
		}
	}
	now += kHz;
	syn = make_syn(peers[0]);
	EXPECT_EQ(send_syn(syn), LQ_SYN_DUPLICATE);
	syn = make_syn(peers[limit]);
	syn.from_time_wait = true;
	EXPECT_EQ(send_syn(syn), LQ_SYN_DROP);
	// When one has gone there is room.
	send_rst(peers[7]);
	EXPECT_TRUE(half_open(peers[limit]));
}

TEST_F(listener, syn__a_full_bucket_is_answered_by_cookies)
{
	const std::vector<u32> peers = colliding(65, 256);
	lq_config c = config(200, 200);

	c.syncookies = 1;
	listen(c);
	for (u32 i = 0; i < 64; i++)
		ASSERT_TRUE(half_open(peers[i])) << i;
	lq_syn syn = make_syn(peers[64]);
	EXPECT_EQ(send_syn(syn), LQ_SYN_COOKIE);
	EXPECT_TRUE(syn.cookies_on);
	EXPECT_EQ(drops(LISTENQ_DROP_SYN_BUCKET_FULL), 0u);
}

TEST_F(listener, syn__solaris_evicts_from_a_full_bucket)
{
	lq_config c = config(8);

	c.policy = LQ_POLICY_SOLARIS;
	listen(c);
	const u32 buckets = info().syn_buckets, limit = 64;
	const std::vector<u32> peers = colliding(limit + 1, buckets);
	for (u32 i = 0; i < limit; i++)
		ASSERT_TRUE(half_open(peers[i])) << i;
	ASSERT_TRUE(half_open(peers[limit]));
	EXPECT_TRUE(was_freed);
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_EVICTED), 1u);
	EXPECT_EQ(send_rst(peers[0]), LQ_ACK_UNKNOWN); // the oldest
	EXPECT_EQ(send_rst(peers[1]), LQ_ACK_DROP);
}

TEST_F(listener, syn__eviction_knows_the_age_after_a_resize)
{
	const std::vector<u32> peers = colliding(31, 512);
	lq_config c = config(128);

	c.policy = LQ_POLICY_FREEBSD;
	listen(c);
	for (unsigned i = 0; i < 30; i++)
		ASSERT_TRUE(half_open(peers[i]));
	listen(c);
	ASSERT_TRUE(half_open(peers[30]));
	EXPECT_EQ(send_rst(peers[0]), LQ_ACK_UNKNOWN); // the oldest
	EXPECT_EQ(info().syn_qlen, 30u);
}

TEST_F(listener, syn__solaris_evicts_when_the_syn_queue_is_full)
{
	lq_config c = config(8);

	c.policy = LQ_POLICY_SOLARIS;
	listen(c);
	const u32 limit = info().syn_limit;
	EXPECT_EQ(limit, 13u + 1024);
	for (u32 n = 0; n < limit; n++)
		ASSERT_TRUE(half_open(n));
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_EVICTED), 0u);
	for (u32 n = limit; n < limit + 10; n++) {
		ASSERT_TRUE(half_open(n));
		EXPECT_TRUE(was_freed);
	}
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_EVICTED), 10u);
	EXPECT_EQ(info().syn_qlen, limit);
}

TEST_F(listener, syn__solaris_defends_itself_against_a_flood)
{
	lq_config c = config(8);

	c.policy = LQ_POLICY_SOLARIS;
	listen(c);
	for (u32 n = 0; n < 300; n++)
		ASSERT_TRUE(half_open(n));
	const u32 start = now;
	while (info().syn_qlen) {
		now += kHz / LQ_TICKS_PER_SECOND;
		tick();
		ASSERT_LT(now - start, 100 * kHz);
	}
	EXPECT_LE(now - start, 8 * kHz); // not 63 s
	// Still on: the next one has two timeouts only.
	ASSERT_TRUE(half_open(0));
	for (const u32 then = now; now - then < 8 * kHz;) {
		now += kHz / LQ_TICKS_PER_SECOND;
		tick();
	}
	EXPECT_EQ(info().syn_qlen, 0u);
	// After ten minutes it is off.
	now += 600 * kHz;
	ASSERT_TRUE(half_open(0));
	for (const u32 then = now; now - then < 60 * kHz;) {
		now += kHz / LQ_TICKS_PER_SECOND;
		tick();
	}
	EXPECT_EQ(info().syn_qlen, 1u);
}

TEST_F(listener, syn__time_wait_reuse_needs_no_place_in_the_syn_queue)
{
	listen(config(0, 1));
	for (u32 n = 0; n < 200; n++)
		half_open(n, true);
	EXPECT_EQ(info().syn_qlen, 16u);
	lq_syn reuse = make_syn(500);
	reuse.from_time_wait = true;
	EXPECT_EQ(send_syn(reuse), LQ_SYN_NEW);
	EXPECT_EQ(core.syn_commit(reuse, *new_request(peer(500)), false), LQ_COMMIT_OK);
	EXPECT_EQ(info().syn_qlen, 17u);
}

TEST_F(listener, syn__time_wait_reuse_needs_room_to_be_accepted)
{
	listen(config(0));
	establish(0);
	half_open(1);
	half_open(2);
	lq_syn reuse = make_syn(500);
	reuse.from_time_wait = true;
	EXPECT_EQ(send_syn(reuse), LQ_SYN_DROP);
	EXPECT_EQ(reuse.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
}

TEST_F(listener, syn__cookie_when_the_syn_queue_is_full)
{
	lq_config c = config(0, 64);

	c.syncookies = 1;
	listen(c);
	for (u32 n = 0; n < 16; n++)
		half_open(n);
	lq_syn syn = make_syn(100);
	EXPECT_EQ(send_syn(syn), LQ_SYN_COOKIE);
	EXPECT_TRUE(syn.cookies_on);
	EXPECT_EQ(info().syn_qlen, 16u);
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_SENT), 1u);
	EXPECT_EQ(drops(LISTENQ_DROP_SYN_QUEUE_FULL), 0u);
}

// SYNs in = requests + cookies + duplicates + drops, and a SYN-ACK that never was is none.
TEST_F(listener, synack_unsent__is_taken_back)
{
	lq_config c = config();

	c.syncookies = 2;
	listen(c);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	core.synack_unsent(LISTENQ_EVENT_COOKIE_SENT);
	core.count_drop(LISTENQ_DROP_NO_ROUTE);
	EXPECT_EQ(events(LISTENQ_EVENT_SYN_RECEIVED), drops(LISTENQ_DROP_NO_ROUTE));
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_SENT) + events(LISTENQ_EVENT_SYNACK_SENT), 0u);
	EXPECT_FALSE(core.event_pending()) << "no time of cookies began";
	c.syncookies = 0;
	listen(c);
	ASSERT_TRUE(half_open(1));
	core.synack_unsent(LISTENQ_EVENT_SYNACK_SENT);
	EXPECT_EQ(events(LISTENQ_EVENT_SYNACK_SENT), 0u);
	now += kHz;
	tick();
	EXPECT_EQ(events(LISTENQ_EVENT_SYNACK_RETRANS), 1u);
	core.synack_unsent(LISTENQ_EVENT_SYNACK_RETRANS);
	EXPECT_EQ(events(LISTENQ_EVENT_SYNACK_SENT) + events(LISTENQ_EVENT_SYNACK_RETRANS), 0u);
}

TEST_F(listener, syn__no_cookie_when_the_accept_queue_is_full)
{
	lq_config c = config(0, 64);

	c.syncookies = 2;
	c.policy = LQ_POLICY_LINUX_MODERN;
	listen(c);
	EXPECT_EQ(send_syn(1), LQ_SYN_COOKIE);
	c.syncookies = 0;
	listen(c);
	establish(0);
	c.syncookies = 2;
	listen(c);
	lq_syn syn = make_syn(100);
	EXPECT_EQ(send_syn(syn), LQ_SYN_DROP);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
	// FreeBSD asks only when the ACK comes.
	c.policy = LQ_POLICY_FREEBSD;
	listen(c);
	EXPECT_EQ(send_syn(2), LQ_SYN_COOKIE);
}

TEST_F(listener, syn_for_request__duplicate_answers_and_restarts_the_timer)
{
	Request *r = half_open(0);

	now += kHz / 2;
	EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE);
	EXPECT_EQ(copy.request.snt_isn, kSntIsn);
	EXPECT_EQ(r->expires, now + kHz);
	EXPECT_EQ(r->num_retrans, 1u);
	EXPECT_EQ(r->num_timeout, 0u);
	EXPECT_EQ(info().syn_young, 1u);
	EXPECT_EQ(events(LISTENQ_EVENT_SYN_DUPLICATE), 1u);
	EXPECT_EQ(events(LISTENQ_EVENT_SYNACK_SENT), 2u);
	EXPECT_EQ(events(LISTENQ_EVENT_SYNACK_RETRANS), 0u);
}

TEST_F(listener, syn_for_request__duplicates_are_rate_limited)
{
	ASSERT_TRUE(half_open(0));
	EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE);
	EXPECT_EQ(send_syn(0), LQ_SYN_DROP);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_SYN_RATE_LIMITED);
	now += kHz;
	EXPECT_EQ(send_syn(0), LQ_SYN_DUPLICATE);
}

TEST_F(listener, syn_for_request__outside_the_window_is_challenged)
{
	ASSERT_TRUE(half_open(0));
	// The window is 1001..2000.
	for (const u32 seq : {kRcvIsn - 1, kRcvIsn + 1002, kRcvIsn + 5000}) {
		now += kHz;
		EXPECT_EQ(send_syn(0, seq), LQ_SYN_CHALLENGE) << seq;
		EXPECT_EQ(syn.reason, LISTENQ_DROP_ACK_BAD_SEQ);
		EXPECT_EQ(send_syn(0, seq), LQ_SYN_DROP);
	}
	EXPECT_EQ(info().syn_qlen, 1u);
}

TEST_F(listener, syn_for_request__inside_the_window_kills)
{
	for (const u32 seq : {kRcvIsn + 1, kRcvIsn + 500, kRcvIsn + 1000}) {
		ASSERT_TRUE(half_open(0));
		EXPECT_EQ(send_syn(0, seq), LQ_SYN_RESET) << seq;
		EXPECT_TRUE(was_freed);
		EXPECT_EQ(syn.reason, LISTENQ_DROP_REQUEST_SYN_IN_WINDOW);
		EXPECT_EQ(info().syn_qlen, 0u);
		EXPECT_EQ(info().syn_young, 0u);
	}
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_SYN_IN_WINDOW), 3u);
}

TEST_F(listener, syn_for_request__data_that_reaches_into_the_window)
{
	ASSERT_TRUE(half_open(0));
	syn = make_syn(0, kRcvIsn - 10);
	syn.payload = 10; // up to the window's edge
	EXPECT_EQ(send_syn(syn), LQ_SYN_CHALLENGE);
	syn.payload = 11;
	EXPECT_EQ(send_syn(syn), LQ_SYN_RESET);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_REQUEST_SYN_IN_WINDOW);
}

TEST_F(listener, syn_for_request__old_timestamp)
{
	Request *r = half_open(0);

	r->flags |= LQ_REQ_TSTAMP;
	r->ts_recent = 1000;
	u8 timestamp[] = {8, 10, 0, 0, 999 >> 8, 999 & 255, 0, 0, 0, 0};
	lq_syn old = make_syn(0);
	old.options = timestamp;
	old.options_length = sizeof(timestamp);
	EXPECT_EQ(send_syn(old), LQ_SYN_CHALLENGE);
	EXPECT_EQ(old.reason, LISTENQ_DROP_ACK_PAWS);
	timestamp[5] += 2;
	old.now += kHz;
	EXPECT_EQ(send_syn(old), LQ_SYN_DUPLICATE);
}

TEST_F(listener, syn_for_request__while_a_child_is_built)
{
	ASSERT_TRUE(half_open(0));
	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_EQ(send_syn(0), LQ_SYN_DROP);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_ACK_BUSY);
	EXPECT_EQ(send_syn(0, kRcvIsn + 7), LQ_SYN_DROP); // nor may it kill the request
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(listener, syn_commit__the_same_syn_on_two_cpus)
{
	ASSERT_EQ(send_syn(0), LQ_SYN_NEW);
	lq_syn other = make_syn(0);
	ASSERT_EQ(send_syn(other), LQ_SYN_NEW);
	ASSERT_EQ(core.syn_commit(syn, *new_request(peer(0)), false), LQ_COMMIT_OK);
	Request *second = new_request(peer(0));
	EXPECT_EQ(core.syn_commit(other, *second, false), LQ_COMMIT_DUPLICATE);
	free_request(second);
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(events(LISTENQ_EVENT_REQUEST_CREATED), 1u);
}

TEST_F(listener, syn_commit__last_quarter)
{
	const struct {
		u8 policy;
		u32 limit;
	} rows[] = {{LQ_POLICY_LINUX_CLASSIC, 32}, {LQ_POLICY_LINUX, 101}};

	for (const auto &row : rows) {
		lq_config c = config(100, 16); // 12 of 16 for the unproven
		const u64 quarter = drops(LISTENQ_DROP_SYN_LAST_QUARTER);
		const u64 full = drops(LISTENQ_DROP_SYN_QUEUE_FULL);
		u32 n = 0;

		c.policy = row.policy;
		close();
		listen(c);
		while (half_open(n))
			n++;
		EXPECT_EQ(n, 13u); // 16 - 12 is not less than 4
		EXPECT_EQ(drops(LISTENQ_DROP_SYN_LAST_QUARTER) - quarter, 1u);
		for (n = 100; half_open(n, true);)
			n++;
		EXPECT_EQ(info().syn_qlen, row.limit);
		EXPECT_EQ(drops(LISTENQ_DROP_SYN_QUEUE_FULL) - full, 1u);
	}
}

// 600 clients who are far away, and a backlog of 4096: TCP sends no cookie, whatever
// tcp_max_syn_backlog is.
TEST_F(listener, syn__no_cookie_below_the_backlog)
{
	lq_config c = config(4096, 128);

	c.syncookies = 1;
	listen(c);
	for (u32 n = 0; n < 4097; n++) {
		ASSERT_TRUE(half_open(n)) << n;
		grow();
	}
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_SENT), 0u);
	EXPECT_EQ(send_syn(4097), LQ_SYN_COOKIE);
}

TEST_F(listener, syn_commit__closed_meanwhile)
{
	ASSERT_EQ(send_syn(0), LQ_SYN_NEW);
	close();
	Request *r = new_request(peer(0));
	EXPECT_EQ(core.syn_commit(syn, *r, false), LQ_COMMIT_CLOSED);
	free_request(r);
	// Another listener may take it.
	EXPECT_EQ(drops(LISTENQ_DROP_LISTENER_CLOSED), 0u);
	listen(config());
	EXPECT_EQ(info().syn_qlen, 0u);
}

TEST_F(listener, syn_abort__gives_the_room_back)
{
	for (unsigned i = 0; i < 100; i++) {
		ASSERT_EQ(send_syn(i), LQ_SYN_NEW);
		core.syn_abort(LISTENQ_DROP_NO_MEMORY);
	}
	EXPECT_EQ(drops(LISTENQ_DROP_NO_MEMORY), 100u);
}
