// SPDX-License-Identifier: GPL-2.0
// Listener: what members of a group take from each other's accept queues, and whose SYNs they take.
#include "listener_fixture.hh"

namespace {

using namespace testing_core;

constexpr u32 kMs = 1000;

// The listener of the fixture is one member; this is another.
class share : public listener {
protected:
	void SetUp() override
	{
		listener::SetUp();
		c.overload.steal_us = 10 * kMs;
		listen(c);
		configure_other(c);
		other.open(new_buckets(other.table_first()), other.table_first());
	}
	void TearDown() override
	{
		close_other();
		listener::TearDown();
	}
	void configure_other(const lq_config &config)
	{
		lq_limits limits;

		lq_core_limits(&config, &limits);
		other.configure(config, limits);
	}
	unsigned close_other()
	{
		lq_drained drained;

		EXPECT_EQ(other.check(), nullptr);
		EXPECT_FALSE(other.close(~0u, drained));
		std::free(drained.table);
		return free_list(drained.connections) + free_list(drained.held);
	}
	// What the shim does, all at once; whether it was taken.
	bool move(u32 us)
	{
		lq_stolen stolen;

		if (!core.steal(Micros{us}, stolen))
			return false;
		const bool taken = other.take_stolen(stolen, Micros{us});
		EXPECT_EQ(core.steal_end(stolen, taken), taken ? LQ_STEAL_TAKEN : LQ_STEAL_BACK);
		return taken;
	}
	listenq_info other_info() const
	{
		listenq_info i{};

		other.info(i);
		return i;
	}
	u64 other_events(listenq_event event) const { return other.counters().events(event); }
	// When the one came that @from gives to accept(), or -1.
	static int next(Listener &from, u32 us)
	{
		Request *r = from.accept_at_once(Micros{us});

		if (!r)
			return -1;
		const int came = static_cast<int>(r->stamp_us);
		free_request(r);
		return came;
	}

	lq_config c = config();
	Listener other{kKeys};
};

} // namespace

TEST_F(share, steal__not_before_its_time)
{
	EXPECT_EQ(core.steal_due_us(Micros{0}), LQ_NEVER_US);
	establish(0, 1 * kMs);
	establish(1, 5 * kMs);
	EXPECT_EQ(core.steal_due_us(Micros{1 * kMs}), 10 * kMs);
	EXPECT_FALSE(move(11 * kMs - 1));
	EXPECT_TRUE(move(11 * kMs));
	EXPECT_EQ(core.steal_due_us(Micros{11 * kMs}), 4 * kMs);
	EXPECT_FALSE(move(11 * kMs));
	EXPECT_EQ(info().accept_qlen, 1u);
	EXPECT_EQ(other_info().accept_qlen, 1u);
	EXPECT_EQ(events(LISTENQ_EVENT_LENT), 1u);
	EXPECT_EQ(other_events(LISTENQ_EVENT_STOLEN), 1u);
	// It was established once, and waits since then.
	EXPECT_EQ(other_events(LISTENQ_EVENT_ESTABLISHED), 0u);
	EXPECT_EQ(other.accept_oldest_us(Micros{12 * kMs}), 11 * kMs);
	EXPECT_EQ(next(other, 12 * kMs), 1 * static_cast<int>(kMs));
	EXPECT_EQ(next(core, 12 * kMs), 5 * static_cast<int>(kMs));
}

TEST_F(share, steal__back_to_a_queue_that_grew)
{
	lq_stolen stolen;

	establish(0, 0);
	ASSERT_TRUE(core.steal(Micros{10 * kMs}, stolen));
	establish(1, 10 * kMs);
	EXPECT_EQ(info().accept_qlen_peak, 1u);
	EXPECT_EQ(core.steal_end(stolen, false), LQ_STEAL_BACK);
	EXPECT_EQ(info().accept_qlen, 2u);
	EXPECT_EQ(info().accept_qlen_peak, 2u);
}

TEST_F(share, steal__off)
{
	establish(0, 0);
	c.overload.steal_us = 0;
	listen(c);
	EXPECT_FALSE(core.steals());
	EXPECT_EQ(core.steal_due_us(Micros{100 * kMs}), LQ_NEVER_US);
	EXPECT_FALSE(move(100 * kMs));
}

TEST_F(share, steal__of_all_orders_the_oldest)
{
	c.overload.accept_order = LISTENQ_ORDER_LIFO;
	listen(c);
	establish(0, 1);
	establish(1, 2);
	EXPECT_TRUE(move(20 * kMs));
	EXPECT_EQ(next(other, 20 * kMs), 1);
}

TEST_F(share, steal__what_was_stolen_is_the_new_ones_for_as_long_again)
{
	establish(0, 0);
	ASSERT_TRUE(move(30 * kMs));
	EXPECT_EQ(other.steal_due_us(Micros{30 * kMs}), 10 * kMs);
	EXPECT_EQ(other.steal_due_us(Micros{39 * kMs}), 1 * kMs);
	EXPECT_EQ(other.steal_due_us(Micros{40 * kMs}), 0u);
	// What came meanwhile has its own time.
	EXPECT_EQ(next(other, 40 * kMs), 0);
	EXPECT_EQ(other.steal_due_us(Micros{40 * kMs}), LQ_NEVER_US);
}

TEST_F(share, steal__the_clock_wraps)
{
	establish(0, 0xffffff00);
	EXPECT_EQ(core.steal_due_us(Micros{0}), 10 * kMs - 0x100);
	EXPECT_TRUE(move(10 * kMs - 0x100));
	EXPECT_EQ(other.steal_due_us(Micros{20 * kMs - 0x100}), 0u);
}

TEST_F(share, steal__what_accept_max_wait_resets_stays)
{
	c.overload.accept_max_wait_ms = 15;
	listen(c);
	establish(0, 0);
	EXPECT_FALSE(move(15 * kMs));
	EXPECT_TRUE(move(15 * kMs - 1));
}

// Its place is its own until it is known that it does not come back.
TEST_F(share, steal__holds_the_place)
{
	lq_stolen stolen;

	for (u32 n = 0; n < 9; n++)
		ASSERT_TRUE(establish(n, 0));
	ASSERT_TRUE(core.steal(Micros{10 * kMs}, stolen));
	EXPECT_EQ(info().accept_qlen, 8u);
	EXPECT_FALSE(establish(9, 0));
	EXPECT_EQ(core.steal_end(stolen, false), LQ_STEAL_BACK);
	EXPECT_EQ(info().accept_qlen, 9u);
	EXPECT_EQ(events(LISTENQ_EVENT_LENT), 0u);
	ASSERT_TRUE(move(10 * kMs));
	EXPECT_TRUE(establish(10, 0));
}

TEST_F(share, steal__comes_back_as_the_oldest)
{
	establish(0, 0);
	establish(1, 1);
	lq_stolen first, second;
	ASSERT_TRUE(core.steal(Micros{20 * kMs}, first));
	ASSERT_TRUE(core.steal(Micros{20 * kMs}, second));
	EXPECT_EQ(core.steal_end(second, false), LQ_STEAL_BACK);
	EXPECT_EQ(core.steal_end(first, false), LQ_STEAL_BACK);
	EXPECT_EQ(core.check(), nullptr);
	EXPECT_EQ(next(core, 20 * kMs), 0);
	EXPECT_EQ(next(core, 20 * kMs), 1);
}

TEST_F(share, steal__the_listener_closes_meanwhile)
{
	for (const bool again : {false, true}) {
		lq_stolen stolen;
		const u64 before = drops(LISTENQ_DROP_LISTENER_CLOSED);

		establish(0, 0);
		ASSERT_TRUE(core.steal(Micros{10 * kMs}, stolen));
		close();
		if (again)
			listen(c);
		EXPECT_EQ(core.steal_end(stolen, false), LQ_STEAL_CLOSED);
		EXPECT_EQ(drops(LISTENQ_DROP_LISTENER_CLOSED), before + 1);
		EXPECT_EQ(core.check(), nullptr);
		free_request(stolen.entry);
		listen(c);
		EXPECT_EQ(info().accept_qlen, 0u);
		EXPECT_TRUE(core.is_drained(100));
	}
}

TEST_F(share, take__within_the_limit)
{
	lq_config one = c;

	one.backlog = one.backlog_asked = 0;
	configure_other(one);
	establish(0, 0);
	establish(1, 0);
	EXPECT_TRUE(move(20 * kMs));
	EXPECT_FALSE(move(40 * kMs));
	EXPECT_EQ(info().accept_qlen, 1u);
	EXPECT_EQ(other_info().accept_qlen, 1u);
}

TEST_F(share, take__not_by_one_that_ends_or_drains)
{
	establish(0, 0);
	other.drain(true);
	EXPECT_FALSE(move(20 * kMs));
	other.drain(false);
	other.leave();
	EXPECT_FALSE(move(20 * kMs));
	EXPECT_EQ(close_other(), 0u);
	EXPECT_FALSE(move(20 * kMs));
	other.open(new_buckets(other.table_first()), other.table_first());
	EXPECT_TRUE(move(20 * kMs));
}

TEST_F(share, take__what_passed_the_same_filter)
{
	establish(0, 0);
	other.filter_set(LQ_FILTER_HTTPREADY);
	EXPECT_FALSE(move(20 * kMs));
	core.filter_set(LQ_FILTER_HTTPREADY);
	EXPECT_TRUE(move(20 * kMs));
	core.filter_set(LQ_FILTER_NONE);
	establish(1, 0);
	core.filter_set(LQ_FILTER_BPF);
	other.filter_set(LQ_FILTER_BPF); // another program
	EXPECT_FALSE(move(40 * kMs));
	other.filter_set(LQ_FILTER_NONE);
	EXPECT_TRUE(move(40 * kMs));
}

TEST_F(share, stalled__who_waits_too_long_keeps_others_away)
{
	EXPECT_FALSE(core.is_stalled(peer(9), Micros{0}));
	c.overload.stalled_ms = 50;
	listen(c);
	EXPECT_FALSE(core.is_stalled(peer(9), Micros{0}));
	establish(0, 0);
	ASSERT_TRUE(half_open(1));
	EXPECT_FALSE(core.is_stalled(peer(9), Micros{50 * kMs - 1}));
	EXPECT_TRUE(core.is_stalled(peer(9), Micros{50 * kMs}));
	// Who has come before is known here.
	EXPECT_FALSE(core.is_stalled(peer(1), Micros{50 * kMs}));
	EXPECT_EQ(next(core, 50 * kMs), 0);
	EXPECT_FALSE(core.is_stalled(peer(9), Micros{60 * kMs}));
	core.redirected();
	EXPECT_EQ(events(LISTENQ_EVENT_SYN_REDIRECTED), 1u);
}

TEST_F(share, manages__what_shares)
{
	EXPECT_TRUE(core.manages());
	c.overload.steal_us = 0;
	listen(c);
	EXPECT_FALSE(core.manages());
	c.overload.stalled_ms = 1;
	listen(c);
	EXPECT_TRUE(core.manages());
}
