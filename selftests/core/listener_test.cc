// SPDX-License-Identifier: GPL-2.0
// Listener: the verdicts, one case at a time. bridge_test.cc has the random sequences.
#include "core/listener.hh"

#include <memory>

#include "property.hh"
#include "support.hh"

using listenq::Listener;
using listenq::Micros;
using listenq::Request;
using namespace testing_core;

namespace {

constexpr u32 kRcvIsn = 1000, kSntIsn = 5000;
int a_child;

class listener : public testing::Test {
protected:
	void SetUp() override { listen(config()); }
	void TearDown() override
	{
		EXPECT_EQ(core.check(), nullptr);
		close();
		EXPECT_EQ(core.check(), nullptr);
	}

	void listen(const lq_config &c, bool resize = true)
	{
		lq_limits limits;

		lq_core_limits(&c, &limits);
		std::free(
			core.listen(c, limits, resize ? new_buckets(limits.syn_buckets) : nullptr));
	}
	void close()
	{
		lq_drained drained;

		std::free(core.close(drained));
		closed_requests = free_list(drained.requests);
		closed_connections = free_list(drained.connections) + free_list(drained.held);
	}

	lq_syn make_syn(u32 n, u32 seq = kRcvIsn) const
	{
		lq_syn syn{};

		syn.key = peer(n);
		syn.seq = seq;
		syn.now = now;
		return syn;
	}
	lq_syn_verdict send_syn(lq_syn &syn)
	{
		lq_request *freed = nullptr;
		const lq_syn_verdict verdict = core.syn(syn, copy, freed);

		was_freed = freed != nullptr;
		EXPECT_TRUE(!freed || verdict == LQ_SYN_RESET || verdict == LQ_SYN_NEW);
		if (freed)
			free_request(freed);
		return verdict;
	}
	lq_syn_verdict send_syn(u32 n, u32 seq = kRcvIsn)
	{
		syn = make_syn(n, seq);
		return send_syn(syn);
	}
	// The whole of it; the request, or nullptr when there is none.
	Request *half_open(u32 n, bool proven = false)
	{
		if (send_syn(n) != LQ_SYN_NEW)
			return nullptr;
		Request *r = new_request(peer(n), kRcvIsn, kSntIsn);
		if (core.syn_commit(syn, *r, proven) != LQ_COMMIT_OK) {
			free_request(r);
			return nullptr;
		}
		return r;
	}

	lq_ack make_ack(u32 n) const
	{
		lq_ack ack{};

		ack.key = peer(n);
		ack.seq = ack.end_seq = kRcvIsn + 1;
		ack.ack_seq = kSntIsn + 1;
		ack.ack = true;
		ack.now = now;
		return ack;
	}
	lq_ack_verdict send_ack(lq_ack &ack)
	{
		lq_request *freed = nullptr;
		const lq_ack_verdict verdict = core.ack(ack, copy, promotion, freed);

		was_freed = freed != nullptr;
		if (freed)
			free_request(freed);
		return verdict;
	}
	lq_ack_verdict send_ack(u32 n)
	{
		ack = make_ack(n);
		return send_ack(ack);
	}
	lq_ack_verdict send_rst(u32 n, u32 seq = kRcvIsn + 1)
	{
		ack = make_ack(n);
		ack.ack = false;
		ack.rst = true;
		ack.seq = ack.end_seq = seq;
		return send_ack(ack);
	}
	lq_commit commit(u32 us = 0)
	{
		const lq_commit done =
			core.promote_commit(promotion, &a_child, Micros{us}, evicted);

		closed_connections += free_list(evicted);
		return done;
	}
	bool establish(u32 n, u32 us = 0)
	{
		return half_open(n) && send_ack(n) == LQ_ACK_PROMOTE && commit(us) == LQ_COMMIT_OK;
	}
	bool accept(u32 us = 0)
	{
		Request *r = core.accept(Micros{us});

		if (!r)
			return false;
		free_request(r);
		core.accept_done(1);
		return true;
	}

	// One turn of the timer, to its end.
	void tick()
	{
		lq_tick t;

		resent = expired = 0;
		do {
			t.now = now;
			core.tick(t);
			resent += t.resend_count;
			expired += free_list(t.expired);
		} while (t.again);
		idle = t.idle;
	}
	listenq_info info() const
	{
		listenq_info i{};

		core.info(i);
		return i;
	}
	u64 drops(listenq_drop reason) const { return core.counters().values().drops[reason]; }
	u64 events(listenq_event event) const { return core.counters().events(event); }

	Listener core{kKeys};
	u32 now = 100000;
	lq_syn syn{};
	lq_ack ack{};
	lq_request_copy copy{};
	lq_promotion promotion{};
	Request *evicted = nullptr;
	bool was_freed = false, idle = false;
	unsigned resent = 0, expired = 0, closed_requests = 0, closed_connections = 0;
};

} // namespace

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

TEST_F(listener, listen__can_keep_the_table)
{
	ASSERT_TRUE(half_open(0));
	listen(config(2), false);
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
	listen(c, false);
	EXPECT_EQ(send_ack(5), LQ_ACK_REFUSE);
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
	EXPECT_EQ(commit(), LQ_COMMIT_CLOSED);
	EXPECT_EQ(info().accept_qlen, 0u);
	free_request(r);
}

TEST_F(listener, close__then_the_promotion_aborts)
{
	Request *r = half_open(0);

	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	close();
	EXPECT_TRUE(core.promote_abort(promotion, LISTENQ_DROP_CHILD_FAILED));
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
	listen(config(0));
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
	EXPECT_EQ(send_syn(0), LQ_SYN_DROP);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_LISTENER_CLOSED);
	EXPECT_EQ(send_ack(0), LQ_ACK_UNKNOWN);
	EXPECT_FALSE(accept());
	tick();
	EXPECT_TRUE(idle);
}

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
	listen(config(0));
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
		{LQ_POLICY_LINUX, {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}},
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

TEST_F(listener, syn__eviction_knows_the_age_after_a_resize)
{
	const listenq::SynQueue hashes(kKeys);
	lq_config c = config(128);
	std::vector<u32> peers;

	for (u32 n = 0; peers.size() < 31; n++) {
		if (hashes.hash(peer(n)) % 512 == 5)
			peers.push_back(n);
	}
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
	listen(config(4096, 16)); // 32 buckets, and 12 of 16 for the unproven
	u32 n = 0;

	while (half_open(n))
		n++;
	EXPECT_EQ(n, 13u); // 16 - 12 is not less than 4
	EXPECT_EQ(drops(LISTENQ_DROP_SYN_LAST_QUARTER), 1u);
	for (n = 100; half_open(n, true);)
		n++;
	EXPECT_EQ(info().syn_qlen, 32u);
	EXPECT_EQ(drops(LISTENQ_DROP_SYN_QUEUE_FULL), 1u);
}

TEST_F(listener, syn_commit__closed_meanwhile)
{
	ASSERT_EQ(send_syn(0), LQ_SYN_NEW);
	close();
	Request *r = new_request(peer(0));
	EXPECT_EQ(core.syn_commit(syn, *r, false), LQ_COMMIT_CLOSED);
	free_request(r);
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
	EXPECT_EQ(send_ack(ack), LQ_ACK_DROP); // rate limited
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACK_BAD_SEQ);
	// Data is always answered.
	ack.seq = kRcvIsn + 5000;
	ack.end_seq = ack.seq + 10;
	EXPECT_EQ(send_ack(ack), LQ_ACK_CHALLENGE);
	EXPECT_EQ(send_ack(ack), LQ_ACK_CHALLENGE);
	EXPECT_EQ(info().syn_qlen, 1u);
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
	EXPECT_EQ(send_rst(0, kRcvIsn + 1000), LQ_ACK_DROP); // rate limited
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
	EXPECT_FALSE(core.promote_abort(promotion, LISTENQ_DROP_CHILD_FAILED));
	r->num_timeout = 1;
	EXPECT_EQ(send_ack(0), LQ_ACK_DROP);
	r->num_timeout = 2;
	EXPECT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_FALSE(core.promote_abort(promotion, LISTENQ_DROP_CHILD_FAILED));
	r->num_timeout = 0;
}

TEST_F(listener, ack_for_request__full_accept_queue_keeps_the_request)
{
	listen(config(1));
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
	lq_config c = config(0);

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
	EXPECT_FALSE(core.promote_abort(first, LISTENQ_DROP_CHILD_FAILED));
	EXPECT_FALSE(core.promote_abort(second, LISTENQ_DROP_CHILD_FAILED));
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
	EXPECT_EQ(send_ack(0), LQ_ACK_DROP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACK_BUSY);
	EXPECT_EQ(send_rst(0), LQ_ACK_DROP);
	EXPECT_FALSE(was_freed);
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

TEST_F(listener, promote_abort__leaves_the_request_as_it_was)
{
	Request *r = half_open(0);
	const Request before = *r;

	ASSERT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_FALSE(core.promote_abort(promotion, LISTENQ_DROP_CHILD_FAILED));
	EXPECT_EQ(std::memcmp(&before, r, sizeof(before)), 0);
	EXPECT_EQ(drops(LISTENQ_DROP_CHILD_FAILED), 1u);
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(info().syn_young, 1u);
}

// --- replies to odd segments ---

TEST_F(listener, rate_limited__off)
{
	lq_config c = config();

	c.oow_ratelimit_ms = 0;
	listen(c, false);
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
	listen(config(0));
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
	const u64 *wait = core.counters().values().accept_wait;
	EXPECT_EQ(wait[0], 1u);
	EXPECT_EQ(wait[1], 1u);
	EXPECT_EQ(wait[11], 1u);
}

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
	lq_tick t;
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
	lq_tick t;
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
	// Nothing is half open, and still the timer is needed.
	tick();
	EXPECT_FALSE(idle);
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
	lq_config c = config(0);

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
	ASSERT_EQ(send_syn(syn), LQ_SYN_DROP);
	EXPECT_FALSE(core.event_pending());
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
