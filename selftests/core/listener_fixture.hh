// SPDX-License-Identifier: GPL-2.0
// One listener, and what its tests do to it: SYNs, ACKs, accept(), turns of the timer.
#pragma once

#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "core/listener.hh"
#include "support.hh"

namespace testing_core {

using listenq::Listener;
using listenq::Micros;
using listenq::Request;

inline constexpr u32 kRcvIsn = 1000, kSntIsn = 5000;
inline int a_child;

class listener : public testing::Test {
protected:
	void SetUp() override { listen(config()); }
	void TearDown() override
	{
		EXPECT_EQ(core.check(), nullptr);
		close();
		EXPECT_EQ(core.check(), nullptr);
	}

	// As shim/listen.c and shard.c do.
	void listen(const lq_config &c)
	{
		lq_limits limits;

		lq_core_limits(&c, &limits);
		core.configure(c, limits);
		if (!is_open) {
			core.open(new_buckets(core.table_first()), core.table_first());
			is_open = true;
		}
		grow();
	}
	// What the work of shim/table.c would do.
	void grow()
	{
		if (const u32 count = core.table_wanted()) {
			ASSERT_TRUE(core.resize(new_buckets(count), count));
			std::free(core.rehash(~0u));
		}
	}
	void close()
	{
		lq_drained drained;

		closed_requests = closed_connections = 0;
		while (close_part(drained, ~0u))
			FAIL() << "more buckets than there can be";
		std::free(drained.table);
	}
	bool close_part(lq_drained &drained, u32 steps)
	{
		const bool more = core.close(steps, drained);

		closed_requests += free_list(drained.requests);
		closed_connections += free_list(drained.connections) + free_list(drained.held);
		is_open = is_open && more;
		return more;
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
		ack.vetted = true;
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

		resent = silent = expired = unserved = 0;
		do {
			t.now = now;
			t.now_s = now / kHz;
			core.tick(t);
			resent += t.resend_count;
			silent += t.silent_count;
			expired += free_list(t.expired);
			unserved += free_list(t.unserved);
		} while (t.again);
		idle = t.idle;
		wait = t.wait;
	}
	listenq_info info() const
	{
		listenq_info i{};

		core.info(i);
		return i;
	}
	u64 drops(listenq_drop reason) const { return core.counters().drops(reason); }
	lq_counters counters() const
	{
		lq_counters all{};

		core.counters().add_to(all);
		return all;
	}
	u64 events(listenq_event event) const { return core.counters().events(event); }

	Listener core{kKeys};
	u32 now = 100000;
	lq_syn syn{};
	lq_ack ack{};
	lq_request_copy copy{};
	lq_promotion promotion{};
	Request *evicted = nullptr;
	bool was_freed = false, idle = false, is_open = false;
	u32 wait = 0;
	unsigned resent = 0, silent = 0, expired = 0, unserved = 0, closed_requests = 0,
		 closed_connections = 0;
};

} // namespace testing_core
