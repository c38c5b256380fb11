// SPDX-License-Identifier: GPL-2.0
// Listener: the accept queue when accept() comes too late.
#include "listener_fixture.hh"

using namespace testing_core;

namespace {

constexpr u32 kMs = 1000;

class listener_overload : public listener {
protected:
	// With these, and all else as it is without.
	void overloaded(const std::function<void(lq_overload &)> &set, s32 backlog = 8)
	{
		c = classic(backlog);
		set(c.overload);
		listen(c);
	}
	// Whom accept() gets, by when it came, or -1; @peer is that of all.
	int next(u32 us, lq_peer peer = LQ_PEER_THERE)
	{
		while (Request *r = core.accept_next(Micros{us})) {
			const u32 came = r->stamp_us;
			const listenq_drop reason = core.accept_judge(*r, peer, Micros{us}, true);

			EXPECT_EQ(core.check(), nullptr);
			free_request(r);
			if (reason == LISTENQ_DROP_NONE)
				return static_cast<int>(came);
		}
		return -1;
	}

	lq_config c{};
};

} // namespace

TEST_F(listener_overload, undo__nothing_happened)
{
	establish(0, 5);
	establish(1, 6);
	for (const bool at_once : {false, true}) {
		Request *r = at_once ? core.accept_at_once(Micros{77}) : core.accept(Micros{77});

		core.accept_undo(*r, Micros{77}, at_once);
		EXPECT_EQ(info().accept_qlen, 2u);
		EXPECT_EQ(events(LISTENQ_EVENT_ACCEPTED), 0u);
		for (const u64 n : counters().accept_wait)
			EXPECT_EQ(n, 0u);
	}
	EXPECT_TRUE(accept(7));
	EXPECT_EQ(info().accept_qlen, 1u);
}

TEST_F(listener_overload, dead__is_not_handed_out_and_counted)
{
	establish(0);
	establish(1);
	EXPECT_FALSE(core.manages());
	EXPECT_EQ(next(10, LQ_PEER_GONE), -1);
	EXPECT_EQ(drops(LISTENQ_DROP_ACCEPT_GONE), 2u);
	EXPECT_EQ(events(LISTENQ_EVENT_ACCEPTED), 0u);
	EXPECT_EQ(info().accept_qlen, 0u);
	// Their places are free.
	for (u32 n = 10; n < 19; n++)
		EXPECT_TRUE(establish(n)) << n;
}

TEST_F(listener_overload, dead__half_closing_clients_are_alive)
{
	establish(0, 3);
	establish(1, 4);
	EXPECT_EQ(next(10, LQ_PEER_FINISHED), 3);
	overloaded([](lq_overload &o) { o.accept_dead = LISTENQ_DEAD_SKIP_FIN; });
	EXPECT_EQ(next(10, LQ_PEER_FINISHED), -1);
	EXPECT_EQ(drops(LISTENQ_DROP_ACCEPT_FINISHED), 1u);
}

TEST_F(listener_overload, dead__are_kept)
{
	overloaded([](lq_overload &o) { o.accept_dead = LISTENQ_DEAD_KEEP; });
	establish(0, 3);
	establish(1, 4);
	EXPECT_EQ(next(10, LQ_PEER_GONE), 3);
	EXPECT_EQ(next(10, LQ_PEER_FINISHED), 4);
	EXPECT_EQ(info().drops, 0u);
}

TEST_F(listener_overload, sweep__while_others_are_refused)
{
	overloaded([](lq_overload &) {}, 1);
	establish(0, 1);
	establish(1, 2);
	const auto wants_sweep = [&] {
		lq_tick t{};

		t.now = now;
		core.tick(t);
		EXPECT_EQ(free_list(t.expired), 0u);
		return t.sweep;
	};
	EXPECT_FALSE(wants_sweep());
	(void)half_open(2);
	EXPECT_EQ(send_ack(2), LQ_ACK_DROP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
	EXPECT_TRUE(wants_sweep());
	Request *first = core.sweep_next(), *second = core.sweep_next();
	EXPECT_EQ(core.sweep_judge(*second, LQ_PEER_GONE, Micros{9}), LISTENQ_DROP_ACCEPT_GONE);
	free_request(second);
	EXPECT_EQ(core.sweep_judge(*first, LQ_PEER_THERE, Micros{9}), LISTENQ_DROP_NONE);
	EXPECT_EQ(core.sweep_next(), nullptr);
	EXPECT_EQ(info().accept_qlen, 1u);
	EXPECT_EQ(send_ack(2), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
	overloaded([](lq_overload &o) { o.accept_dead = LISTENQ_DEAD_KEEP; }, 1);
	EXPECT_FALSE(wants_sweep());
	EXPECT_FALSE(core.skips(LQ_PEER_GONE));
}

TEST_F(listener_overload, max_wait__at_accept)
{
	overloaded([](lq_overload &o) { o.accept_max_wait_ms = 300; });
	for (u32 n = 0; n < 4; n++)
		establish(n, n * 100 * kMs);
	EXPECT_EQ(next(410 * kMs), static_cast<int>(200 * kMs));
	EXPECT_EQ(drops(LISTENQ_DROP_ACCEPT_EXPIRED), 2u);
	EXPECT_EQ(core.accept_due_us(Micros{410 * kMs}), 190 * kMs);
	EXPECT_EQ(next(600 * kMs), -1);
	EXPECT_EQ(core.accept_due_us(Micros{600 * kMs}), LQ_NEVER_US);
	// It was dead, too, which says more.
	establish(9, 0);
	EXPECT_EQ(next(600 * kMs, LQ_PEER_GONE), -1);
	EXPECT_EQ(drops(LISTENQ_DROP_ACCEPT_GONE), 1u);
}

TEST_F(listener_overload, max_wait__when_nobody_accepts)
{
	EXPECT_EQ(core.accept_due_us(Micros{0}), LQ_NEVER_US);
	establish(0, 0xffffff00);
	establish(1, 0xffffff80);
	EXPECT_EQ(core.accept_due_us(Micros{0}), LQ_NEVER_US);
	EXPECT_EQ(core.accept_expire(Micros{0}), nullptr);
	overloaded([](lq_overload &o) { o.accept_max_wait_ms = 1; });
	EXPECT_EQ(core.accept_due_us(Micros{0}), 1000u - 0x100);
	EXPECT_EQ(core.accept_expire(Micros{1000 - 0x101}), nullptr);
	Request *r = core.accept_expire(Micros{1000 - 0x100});
	ASSERT_NE(r, nullptr);
	free_request(r);
	EXPECT_EQ(core.accept_expire(Micros{1000 - 0x100}), nullptr);
	EXPECT_EQ(core.accept_due_us(Micros{1000 - 0x100}), 0x80u);
	EXPECT_EQ(drops(LISTENQ_DROP_ACCEPT_EXPIRED), 1u);
}

TEST_F(listener_overload, order)
{
	const auto order = [&](listenq_order which, u32 us) {
		std::string got;

		overloaded([&](lq_overload &o) { o.accept_order = which; });
		for (u32 n = 0; n < 4; n++)
			establish(n, n);
		for (int i = 0; i < 4; i++)
			got += static_cast<char>('0' + next(us));
		return got;
	};
	EXPECT_EQ(order(LISTENQ_ORDER_FIFO, 10), "0123");
	EXPECT_EQ(order(LISTENQ_ORDER_LIFO, 10), "3210");
	EXPECT_EQ(order(LISTENQ_ORDER_ADAPTIVE, 10), "0123");
	EXPECT_EQ(order(LISTENQ_ORDER_ADAPTIVE, 100 * kMs), "3210");
	EXPECT_EQ(order(LISTENQ_ORDER_ADAPTIVE, 100 * kMs + 1), "3210");
	EXPECT_EQ(order(LISTENQ_ORDER_ADAPTIVE, 100 * kMs - 1), "0123");
}

TEST_F(listener_overload, codel__drops_the_oldest_whoever_is_next)
{
	overloaded(
		[](lq_overload &o) {
			o.codel_target_ms = 20;
			o.accept_order = LISTENQ_ORDER_LIFO;
		},
		100);
	for (u32 n = 0; n < 30; n++)
		establish(n, n);
	EXPECT_EQ(next(50 * kMs), 29);
	EXPECT_EQ(next(150 * kMs), 28);
	EXPECT_EQ(drops(LISTENQ_DROP_ACCEPT_CODEL), 1u);
	EXPECT_EQ(core.accept_after(nullptr)->stamp_us, 1u);
	EXPECT_EQ(next(250 * kMs), 27);
	EXPECT_EQ(drops(LISTENQ_DROP_ACCEPT_CODEL), 2u);
}

TEST_F(listener_overload, admission)
{
	overloaded([](lq_overload &o) { o.syn_admission_ms = 100; }, 100);
	u32 us = 0;
	for (u32 n = 0; n < 50; n++)
		establish(n);
	// As long as nothing is known of accept().
	EXPECT_NE(half_open(60), nullptr);
	// 25 ms each: 4 may wait.
	for (u32 n = 0; n < 40; n++)
		EXPECT_NE(next(us += 25 * kMs), -1);
	EXPECT_EQ(info().accept_interval_us, 25 * kMs);
	EXPECT_EQ(send_syn(61), LQ_SYN_DROP);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_SYN_ADMISSION);
	EXPECT_EQ(drops(LISTENQ_DROP_SYN_ADMISSION), 1u);
	EXPECT_FALSE(core.event_pending()); // no queue was full
	c.abort_on_overflow = 1;
	listen(c);
	EXPECT_EQ(send_syn(61), LQ_SYN_RESET);
	while (info().accept_qlen > 3)
		EXPECT_NE(next(us += 25 * kMs), -1);
	EXPECT_NE(half_open(61), nullptr);
	// Whose SYN was let in stays so.
	EXPECT_EQ(send_ack(60), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
	EXPECT_EQ(send_ack(61), LQ_ACK_PROMOTE);
	EXPECT_EQ(commit(), LQ_COMMIT_OK);
	EXPECT_EQ(send_syn(62), LQ_SYN_RESET);
	// An empty queue lets in, however slow accept() was.
	c.overload.syn_admission_ms = 1;
	listen(c);
	EXPECT_EQ(send_syn(62), LQ_SYN_RESET);
	while (next(us += 25 * kMs) != -1)
		;
	EXPECT_NE(half_open(62), nullptr);
	// Off, it is forgotten.
	c.overload.syn_admission_ms = 0;
	listen(c);
	EXPECT_EQ(info().accept_interval_us, 0u);
}

TEST_F(listener_overload, admission__with_cookies_and_every_policy)
{
	for (u8 policy = 0; policy < LQ_POLICY_COUNT; policy++) {
		lq_config full = config(50);
		lq_limits limits;

		full.policy = policy;
		full.syncookies = 2;
		full.overload.syn_admission_ms = 100;
		lq_core_limits(&full, &limits);
		EXPECT_EQ(limits.admit_limit, limits.accept_limit);
		if (limits.accept_limit < 4)
			continue;
		limits.admit_limit = 2;
		EXPECT_EQ(listenq::policy::decide(full, limits, {1, 0, 0}, {}).action,
			  listenq::policy::SynAction::Cookie);
		const auto verdict = listenq::policy::decide(full, limits, {2, 0, 0}, {});
		EXPECT_EQ(verdict.action, listenq::policy::SynAction::Drop);
		EXPECT_EQ(verdict.reason, LISTENQ_DROP_SYN_ADMISSION);
	}
}

TEST_F(listener_overload, close__in_the_middle_of_a_sweep)
{
	for (u32 n = 0; n < 4; n++)
		establish(n);
	EXPECT_NE(core.sweep_next(), nullptr);
	close();
	EXPECT_EQ(closed_connections, 4u);
	EXPECT_EQ(core.sweep_next(), nullptr);
	EXPECT_EQ(core.accept_next(Micros{0}), nullptr);
	listen(config());
	EXPECT_EQ(core.sweep_next(), nullptr);
}
