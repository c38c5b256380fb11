// SPDX-License-Identifier: GPL-2.0
// Listener: what one that ends hands over, and what another takes.
#include "listener_fixture.hh"

using listenq::request::has;

namespace {

using namespace testing_core;

// The listener of the fixture ends; this one goes on.
class heir : public listener {
protected:
	void SetUp() override
	{
		listener::SetUp();
		open_heir(config());
	}
	void TearDown() override
	{
		lq_drained drained;

		EXPECT_EQ(next.check(), nullptr);
		ASSERT_FALSE(next.close(~0u, drained));
		inherited_requests = free_list(drained.requests);
		inherited_connections = free_list(drained.connections) + free_list(drained.held);
		std::free(drained.table);
		listener::TearDown();
	}
	void open_heir(const lq_config &c)
	{
		lq_limits limits;

		lq_core_limits(&c, &limits);
		next.configure(c, limits);
		if (!heir_open)
			next.open(new_buckets(next.table_first()), next.table_first());
		heir_open = true;
	}
	// All requests that no ACK is at, a few at a time.
	std::vector<Request *> leave(u32 room = ~0u)
	{
		std::vector<Request *> all;
		Request *list = nullptr;
		bool more = true;

		core.leave();
		while (more) {
			u32 count = 0;

			more = core.leave_requests(100, room, list);
			for (; list; count++) {
				all.push_back(list);
				list = list->next;
			}
			EXPECT_LE(count, room);
			EXPECT_EQ(core.check(), nullptr);
		}
		return all;
	}
	lq_inherited give(Request &r)
	{
		r.next = nullptr;
		return next.inherit_request(listenq::request::key_of(r), r);
	}
	Request *connection(u32 n) { return new_request(peer(n), kRcvIsn, kSntIsn); }
	lq_inherited give_connection(Request &r, u8 passed = LQ_FILTER_NONE, u32 since = 7)
	{
		return next.inherit(r, &a_child, passed, Micros{since}, Micros{1000});
	}
	listenq_info next_info() const
	{
		listenq_info i{};

		next.info(i);
		return i;
	}

	Listener next{kKeys};
	bool heir_open = false;
	unsigned inherited_requests = 0, inherited_connections = 0;
};

} // namespace

TEST_F(heir, leave__nothing_new_gets_in_and_what_is_there_goes_on)
{
	ASSERT_TRUE(half_open(0));
	ASSERT_EQ(send_syn(1), LQ_SYN_NEW);
	core.leave();
	lq_syn late = syn;
	EXPECT_EQ(send_syn(2), LQ_SYN_CLOSED);
	EXPECT_EQ(send_syn(0), LQ_SYN_CLOSED); // a repetition, too
	Request *r = new_request(peer(1), kRcvIsn, kSntIsn);
	EXPECT_EQ(core.syn_commit(late, *r, false), LQ_COMMIT_CLOSED);
	EXPECT_EQ(core.inherit_request(peer(1), *r), LQ_INHERITED_CLOSED);
	EXPECT_EQ(core.inherit(*r, &a_child, LQ_FILTER_NONE, Micros{0}, Micros{0}),
		  LQ_INHERITED_CLOSED);
	free_request(r);
	EXPECT_EQ(send_ack(0), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
	EXPECT_TRUE(accept());
	EXPECT_EQ(core.table_wanted(), 0u);
	close();
	listen(config());
	EXPECT_TRUE(establish(3));
}

TEST_F(heir, leave_requests__all_but_those_that_an_ack_is_at)
{
	for (u32 n = 0; n < 9; n++)
		ASSERT_TRUE(half_open(n));
	ASSERT_EQ(send_ack(4), LQ_ACK_PROMOTE);
	const std::vector<Request *> all = leave(2);
	EXPECT_EQ(all.size(), 8u);
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(drops(LISTENQ_DROP_LISTENER_CLOSED), 8u);
	core.moved(8);
	EXPECT_EQ(drops(LISTENQ_DROP_LISTENER_CLOSED), 0u);
	EXPECT_EQ(events(LISTENQ_EVENT_MIGRATED), 8u);
	for (Request *r : all) {
		EXPECT_FALSE(has(*r, LQ_REQ_PROMOTING));
		free_request(r);
	}
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
}

TEST_F(heir, leave_requests__one_that_did_not_leave_gives_nothing)
{
	Request *list = &*half_open(0);

	EXPECT_FALSE(core.leave_requests(100, 100, list));
	EXPECT_EQ(list, nullptr);
	EXPECT_EQ(info().syn_qlen, 1u);
}

TEST_F(heir, inherit_request__as_it_is)
{
	ASSERT_TRUE(half_open(0));
	now += kHz;
	tick(); // it is old now
	ASSERT_EQ(resent, 1u);
	const std::vector<Request *> all = leave();
	ASSERT_EQ(all.size(), 1u);
	const u32 expires = all[0]->expires;
	all[0]->flags |= LQ_REQ_ACKED;
	EXPECT_EQ(give(*all[0]), LQ_INHERITED_QUEUED);
	EXPECT_EQ(next_info().syn_qlen, 1u);
	EXPECT_EQ(next_info().syn_young, 0u);
	EXPECT_EQ(next.due().value, expires);
	EXPECT_TRUE(has(*all[0], LQ_REQ_ACKED));
	EXPECT_EQ(next.counters().events(LISTENQ_EVENT_INHERITED), 1u);
	// Its ACK finds it by the numbers that it had.
	ack = make_ack(0);
	lq_request *freed = nullptr;
	ASSERT_EQ(next.ack(ack, copy, promotion, freed), LQ_ACK_PROMOTE);
	EXPECT_EQ(next.promote_commit(promotion, &a_child, Micros{0}, evicted), LQ_COMMIT_OK);
}

TEST_F(heir, inherit_request__within_the_limits)
{
	lq_config small = config(1);
	std::vector<Request *> all;
	u32 n = 0;

	small.policy = LQ_POLICY_LINUX_MODERN; // 2
	open_heir(small);
	for (; n < 3; n++)
		all.push_back(connection(n));
	EXPECT_EQ(give(*all[0]), LQ_INHERITED_QUEUED);
	EXPECT_EQ(give(*all[1]), LQ_INHERITED_QUEUED);
	EXPECT_EQ(give(*all[2]), LQ_INHERITED_FULL);
	free_request(all[2]);
	Request *again = connection(0);
	open_heir(config());
	EXPECT_EQ(give(*again), LQ_INHERITED_DUPLICATE);
	free_request(again);
}

TEST_F(heir, inherit_request__a_sum_counts_connections)
{
	lq_config c = config(1);

	c.policy = LQ_POLICY_BSD; // 1 in both queues
	open_heir(c);
	Request *first = connection(0), *second = connection(1);
	EXPECT_EQ(give_connection(*first), LQ_INHERITED_QUEUED);
	EXPECT_EQ(give(*second), LQ_INHERITED_FULL);
	free_request(second);
}

TEST_F(heir, inherit__to_the_end_of_the_queue_with_its_time)
{
	Request *first = connection(0), *second = connection(1);

	EXPECT_EQ(give_connection(*first, LQ_FILTER_NONE, 500), LQ_INHERITED_QUEUED);
	EXPECT_EQ(give_connection(*second, LQ_FILTER_NONE, 100), LQ_INHERITED_QUEUED);
	EXPECT_EQ(next.accept_oldest_us(Micros{700}), 200u);
	EXPECT_EQ(next.accept_at_once(Micros{700}), first);
	EXPECT_EQ(next.accept_at_once(Micros{700}), second);
	free_request(first);
	free_request(second);
	lq_counters all{};
	next.counters().add_to(all);
	EXPECT_EQ(all.accept_wait[listenq::wait_bucket(200)], 1u);
	EXPECT_EQ(all.accept_wait[listenq::wait_bucket(600)], 1u);
	EXPECT_EQ(all.accept_wait_us, 800u);
}

TEST_F(heir, inherit__within_the_limit)
{
	open_heir(config(1)); // 2
	Request *three[] = {connection(0), connection(1), connection(2)};

	EXPECT_EQ(give_connection(*three[0]), LQ_INHERITED_QUEUED);
	EXPECT_EQ(give_connection(*three[1]), LQ_INHERITED_QUEUED);
	EXPECT_EQ(give_connection(*three[2]), LQ_INHERITED_FULL);
	// Who filters holds no more either, and nobody is evicted for one who comes.
	next.filter_set(LQ_FILTER_DATAREADY);
	EXPECT_EQ(give_connection(*three[2]), LQ_INHERITED_HELD);
	Request *two[] = {connection(3), connection(4)};
	EXPECT_EQ(give_connection(*two[0]), LQ_INHERITED_HELD);
	EXPECT_EQ(give_connection(*two[1]), LQ_INHERITED_FULL);
	free_request(two[1]);
}

TEST_F(heir, inherit__the_filter_is_asked_unless_it_let_the_connection_go)
{
	Request *r = connection(0);

	next.filter_set(LQ_FILTER_HTTPREADY);
	EXPECT_EQ(give_connection(*r, LQ_FILTER_HTTPREADY), LQ_INHERITED_QUEUED);
	r = connection(1);
	EXPECT_EQ(give_connection(*r, LQ_FILTER_DATAREADY), LQ_INHERITED_HELD);
	r = connection(2);
	next.filter_set(LQ_FILTER_BPF);
	EXPECT_EQ(give_connection(*r, LQ_FILTER_BPF), LQ_INHERITED_HELD);
	next.filter_set(LQ_FILTER_NONE);
	r = connection(3);
	EXPECT_EQ(give_connection(*r, LQ_FILTER_BPF), LQ_INHERITED_QUEUED);
}
