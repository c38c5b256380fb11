// SPDX-License-Identifier: GPL-2.0
// Listener: a parking place, and one that drains.
#include "listener_fixture.hh"

using listenq::request::has;

namespace {

using namespace testing_core;

// The fixture's listener is a parking place: what is in it came from one that ended.
class park : public listener {
protected:
	void SetUp() override { open_place(config()); }
	void open_place(const lq_config &c)
	{
		lq_limits limits;

		lq_core_limits(&c, &limits);
		core.park(c, limits);
		core.open(new_buckets(core.table_first()), core.table_first());
		is_open = true;
	}
	Request *parked(u32 n)
	{
		Request *r = new_request(peer(n), kRcvIsn, kSntIsn);

		EXPECT_EQ(core.inherit_request(peer(n), *r), LQ_INHERITED_QUEUED);
		return r;
	}
	lq_parked_verdict say(lq_ack &ack)
	{
		Request *freed = nullptr;
		const lq_parked_verdict verdict = core.parked_ack(ack, freed);

		was_freed = freed != nullptr;
		if (freed)
			free_request(freed);
		EXPECT_EQ(core.check(), nullptr);
		return verdict;
	}
};

} // namespace

TEST_F(park, parked_ack__the_final_ack_is_remembered_and_makes_no_child)
{
	Request *r = parked(0);

	ack = make_ack(0);
	ack.vetted = false;
	EXPECT_EQ(say(ack), LQ_PARKED_KEPT);
	EXPECT_TRUE(has(*r, LQ_REQ_ACKED));
	EXPECT_FALSE(has(*r, LQ_REQ_PROMOTING));
	EXPECT_FALSE(was_freed);
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(info().accept_qlen, 0u);
	EXPECT_EQ(say(ack), LQ_PARKED_KEPT); // as often as it comes
}

// Whatever the policy and the settings say: the next listener may have room.
TEST_F(park, parked_ack__a_full_queue_resets_nobody)
{
	for (const u8 policy : {LQ_POLICY_FREEBSD, LQ_POLICY_WINDOWS, LQ_POLICY_LINUX}) {
		lq_config c = config(0);

		c.policy = policy;
		c.somaxconn = 1;
		c.abort_on_overflow = LQ_ABORT_ALWAYS;
		close();
		open_place(c);
		const u32 limit = info().accept_limit;
		for (u32 n = 0; n < limit; n++) {
			Request *r = new_request(peer(100 + n), kRcvIsn, kSntIsn);

			ASSERT_EQ(core.inherit(*r, &core, LQ_FILTER_NONE, Micros{0}, Micros{1}),
				  LQ_INHERITED_QUEUED);
		}
		parked(0);
		ack = make_ack(0);
		EXPECT_EQ(say(ack), LQ_PARKED_KEPT) << policy;
		EXPECT_FALSE(was_freed);
		EXPECT_EQ(info().syn_qlen, 1u);
	}
}

TEST_F(park, parked_ack__of_nothing_that_is_parked)
{
	parked(0);
	ack = make_ack(1);
	EXPECT_EQ(say(ack), LQ_PARKED_PASS);
	ack = make_ack(0);
	ack.ack_seq++; // what was never sent
	EXPECT_EQ(say(ack), LQ_PARKED_PASS);
	EXPECT_EQ(info().syn_qlen, 1u);
}

TEST_F(park, parked_ack__only_an_exact_rst_ends_a_request)
{
	parked(0);
	ack = make_ack(0);
	ack.ack = false;
	ack.rst = true;
	ack.seq = ack.end_seq = kRcvIsn + 2;
	EXPECT_EQ(say(ack), LQ_PARKED_KEPT);
	EXPECT_FALSE(was_freed);
	ack.seq = ack.end_seq = kRcvIsn + 1;
	EXPECT_EQ(say(ack), LQ_PARKED_KEPT);
	EXPECT_TRUE(was_freed);
	EXPECT_EQ(info().syn_qlen, 0u);
}

TEST_F(park, parked_ack__the_syn_again)
{
	Request *r = parked(0);

	ack = make_ack(0);
	ack.ack = false;
	ack.syn = true;
	ack.seq = kRcvIsn;
	ack.end_seq = kRcvIsn + 1;
	EXPECT_EQ(say(ack), LQ_PARKED_KEPT);
	EXPECT_FALSE(has(*r, LQ_REQ_ACKED));
}

TEST_F(park, parked_ack__full_and_abort_on_overflow_reset_nobody)
{
	lq_config small = config(0);

	close();
	small.policy = LQ_POLICY_LINUX_CLASSIC;
	small.abort_on_overflow = 1;
	open_place(small);
	for (u32 n = 1; n <= info().accept_limit; n++) {
		Request *full = new_request(peer(n), kRcvIsn, kSntIsn);
		ASSERT_EQ(core.inherit(*full, &a_child, LQ_FILTER_NONE, Micros{1}, Micros{2}),
			  LQ_INHERITED_QUEUED);
	}
	Request *r = parked(0);
	ack = make_ack(0);
	EXPECT_EQ(say(ack), LQ_PARKED_KEPT);
	EXPECT_TRUE(has(*r, LQ_REQ_ACKED));
	EXPECT_EQ(info().syn_qlen, 1u);
}

TEST_F(park, parked_ack__a_place_that_is_handed_over_knows_nothing)
{
	Request *r = parked(0);
	Request *list = nullptr;

	core.leave();
	ASSERT_FALSE(core.leave_requests(~0u, ~0u, list));
	ASSERT_EQ(list, r);
	ack = make_ack(0);
	EXPECT_EQ(say(ack), LQ_PARKED_PASS);
	EXPECT_EQ(core.inherit_request(peer(0), *r), LQ_INHERITED_CLOSED);
	free_request(r);
}

TEST_F(park, inherit_request__its_reply_of_long_ago_is_forgotten)
{
	Request *r = new_request(peer(0), kRcvIsn, kSntIsn);

	r->oow_stamp = 7;
	EXPECT_EQ(core.inherit_request(peer(0), *r), LQ_INHERITED_QUEUED);
	EXPECT_EQ(r->oow_stamp, 0u);
}

using drain = listener;

TEST_F(drain, drain__nothing_new_and_what_is_there_is_served)
{
	ASSERT_TRUE(half_open(0));
	core.drain(true);
	EXPECT_TRUE(info().flags & LISTENQ_F_DRAINING);
	EXPECT_EQ(send_syn(1), LQ_SYN_CLOSED);
	EXPECT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
	EXPECT_TRUE(accept());
	core.drain(false);
	EXPECT_FALSE(info().flags & LISTENQ_F_DRAINING);
	EXPECT_TRUE(establish(1));
}

TEST_F(drain, drain__ends_with_the_listener)
{
	core.drain(true);
	close();
	EXPECT_FALSE(info().flags & LISTENQ_F_DRAINING);
	core.drain(true); // closed: nothing
	EXPECT_EQ(core.check(), nullptr);
	listen(config());
	EXPECT_TRUE(establish(0));
}
