// SPDX-License-Identifier: GPL-2.0
// Overload: CoDel beside the pseudocode of RFC 8289, the rate of accept(), the verdicts.
#include "core/overload.hh"

#include <cmath>
#include <deque>
#include <limits>

#include "property.hh"
#include "support.hh"

using listenq::AcceptRate;
using listenq::Codel;
using listenq::Micros;
using listenq::Overload;
using namespace testing_core;

namespace {

constexpr u32 kMs = 1000;

// RFC 8289 5.4 and 5.5, as they are written there, on the times at which connections came.
class Reference {
public:
	Reference(double target, double interval) : target_(target), interval_(interval) {}

	std::deque<double> queue;
	unsigned dropped = 0;

	// -1: there is none.
	double deque(double now)
	{
		Result r = dodequeue(now);

		if (dropping_) {
			if (!r.ok_to_drop)
				dropping_ = false;
			while (now >= drop_next_ && dropping_) {
				dropped++;
				++count_;
				r = dodequeue(now);
				if (!r.ok_to_drop)
					dropping_ = false;
				else
					drop_next_ = control_law(drop_next_, count_);
			}
		} else if (r.ok_to_drop) {
			dropped++;
			r = dodequeue(now);
			dropping_ = true;
			const u32 delta = count_ - lastcount_;
			count_ = 1;
			if (delta > 1 && now - drop_next_ < 16 * interval_)
				count_ = delta;
			drop_next_ = control_law(now, count_);
			lastcount_ = count_;
		}
		return r.p;
	}

private:
	struct Result {
		double p;
		bool ok_to_drop;
	};

	Result dodequeue(double now)
	{
		Result r{-1, false};

		if (queue.empty()) {
			first_above_time_ = 0;
			return r;
		}
		r.p = queue.front();
		queue.pop_front();
		const double sojourn_time = now - r.p;
		if (sojourn_time < target_ || queue.empty()) {
			first_above_time_ = 0;
		} else if (first_above_time_ == 0) {
			first_above_time_ = now + interval_;
		} else if (now >= first_above_time_) {
			r.ok_to_drop = true;
		}
		return r;
	}
	// To a microsecond, as the core's.
	double control_law(double t, u32 count) const
	{
		return t + std::floor(std::sqrt(std::floor(interval_ * interval_ / count)));
	}

	double target_, interval_, first_above_time_ = 0, drop_next_ = 0;
	u32 count_ = 0, lastcount_ = 0;
	bool dropping_ = false;
};

lq_overload codel_of(u32 target_ms, u32 interval_ms)
{
	lq_overload o = overload();

	o.codel_target_ms = target_ms;
	o.codel_interval_ms = interval_ms;
	return o;
}

} // namespace

TEST(codel, property__is_the_RFCs)
{
	property("drops what RFC 8289's pseudocode drops, whenever the clock wraps", [] {
		const auto start = *rc::gen::elementOf(std::vector<u32>{0, 0xfffffff0, 0xffc00000});
		const auto target = *rc::gen::inRange<u32>(1, 60);
		const auto interval = *rc::gen::inRange<u32>(1, 200);
		const auto steps =
			*rc::gen::container<std::vector<std::pair<u32, u8>>>(rc::gen::pair(
				rc::gen::inRange<u32>(0, 40 * kMs), rc::gen::arbitrary<u8>()));
		const lq_overload config = codel_of(target, interval);
		Reference reference(target * kMs, interval * kMs);
		std::deque<double> queue;
		Codel codel;
		unsigned dropped = 0;
		double now = 1;

		for (const auto &[pass, op] : steps) {
			now += pass;
			for (unsigned i = 0; i < op % 5u; i++) {
				queue.push_back(now);
				reference.queue.push_back(now);
			}
			if (op & 128)
				continue;
			double got = -1;
			while (!queue.empty() && got < 0) {
				const double oldest = queue.front();
				const u32 qlen = static_cast<u32>(queue.size());

				queue.pop_front();
				if (codel.drops(config, Micros{start + static_cast<u32>(now)},
						static_cast<u32>(now - oldest), qlen))
					dropped++;
				else
					got = oldest;
				RC_ASSERT(codel.check() == nullptr);
			}
			RC_ASSERT(got == reference.deque(now));
			RC_ASSERT(dropped == reference.dropped);
		}
	});
}

TEST(codel, drops__none_below_the_target)
{
	const lq_overload config = codel_of(20, 100);
	Codel codel;

	for (u32 now = 0; now < 10000 * kMs; now += kMs)
		ASSERT_FALSE(codel.drops(config, Micros{now}, 20 * kMs - 1, 1000));
}

TEST(codel, drops__never_the_last_one)
{
	const lq_overload config = codel_of(20, 100);
	Codel codel;

	for (u32 now = 0; now < 10000 * kMs; now += kMs)
		ASSERT_FALSE(codel.drops(config, Micros{now}, 3000 * kMs, 1));
}

TEST(codel, drops__after_an_interval_and_then_faster)
{
	const lq_overload config = codel_of(20, 100);
	Codel codel;
	std::vector<u32> at;

	for (u32 now = 0; now < 500 * kMs; now += 10) {
		if (codel.drops(config, Micros{now}, 50 * kMs, 9))
			at.push_back(now / kMs);
	}
	ASSERT_GE(at.size(), 5u);
	// 100, + 100, + 100/sqrt(2), + 100/sqrt(3), + 50
	EXPECT_EQ(std::vector<u32>(at.begin(), at.begin() + 5),
		  (std::vector<u32>{100, 200, 270, 328, 378}));
}

TEST(codel, drops__for_the_longest_settings)
{
	const lq_overload config = codel_of(60000, 60000);
	Codel codel;
	unsigned dropped = 0;

	for (u64 now = 0; now < 3600000000ull; now += 1000000)
		dropped += codel.drops(config, Micros{static_cast<u32>(now)}, ~0u, ~0u);
	EXPECT_GT(dropped, 100u);
	EXPECT_EQ(codel.check(), nullptr);
}

TEST(accept_rate, is_not_known_at_first)
{
	AcceptRate rate;

	EXPECT_EQ(rate.interval_us(), 0u);
	EXPECT_EQ(rate.places(1, 77), 77u);
	// Whoever is taken as it comes tells nothing of how long others would wait.
	for (u32 n = 0; n < 100; n++)
		rate.accepted(Micros{n * 5000000}, 0, false);
	EXPECT_EQ(rate.interval_us(), 0u);
	EXPECT_EQ(rate.places(1, 77), 77u);
}

TEST(accept_rate, while_others_wait)
{
	AcceptRate rate;

	for (u32 n = 0; n <= 100; n++)
		rate.accepted(Micros{0xfff00000 + n * 10 * kMs}, 300 * kMs, true);
	EXPECT_EQ(rate.interval_us(), 10 * kMs);
	EXPECT_EQ(rate.places(200, 77), 20u);
	EXPECT_EQ(rate.places(200, 7), 7u);
	EXPECT_EQ(rate.places(1, 77), 1u);  // an empty queue admits
	EXPECT_EQ(rate.places(0, 77), 77u); // off
	// It follows.
	for (u32 n = 1; n <= 50; n++)
		rate.accepted(Micros{0xfff00000 + 1000 * kMs + n * kMs}, 300 * kMs, true);
	EXPECT_NEAR(rate.interval_us(), 1 * kMs, 100);
}

TEST(accept_rate, an_idle_listener_is_not_slow)
{
	AcceptRate rate;

	for (u32 n = 0; n <= 100; n++)
		rate.accepted(Micros{n * 10 * kMs}, 0, n < 100);
	// Nobody came for an hour.
	rate.accepted(Micros{3600000000}, 50, false);
	EXPECT_LE(rate.interval_us(), 10 * kMs);
	// Nor for an hour after all that were left had gone.
	rate.accepted(Micros{3600000000 + kMs}, 50, true);
	rate.emptied();
	rate.accepted(Micros{static_cast<u32>(3600000000 + kMs + 3000000000)}, 50, false);
	EXPECT_LE(rate.interval_us(), 10 * kMs);
	// A slow one that is quick by now is found out without a queue, too.
	for (u32 n = 0; n <= 100; n++)
		rate.accepted(Micros{n * 1000 * kMs}, 20, false);
	EXPECT_LT(rate.interval_us(), kMs);
}

TEST(accept_rate, any_clock)
{
	property("no interval is 0 once it is known, and none is lost", [] {
		AcceptRate rate;
		bool known = false, busy = false;

		for (const auto &[now, waited, more] :
		     *rc::gen::arbitrary<std::vector<std::tuple<u32, u32, bool>>>()) {
			rate.accepted(Micros{now}, waited, more);
			known |= busy;
			busy = more;
			RC_ASSERT((rate.interval_us() != 0) == known);
			RC_ASSERT(rate.interval_us() <= 1u << 28);
			for (const u32 ms : {0u, 1u, 3600000u}) {
				RC_ASSERT(rate.places(ms, 5) >= 1);
				RC_ASSERT(rate.places(ms, 5) <= 5);
			}
		}
	});
}

TEST(overload, drops)
{
	lq_overload o = overload();

	EXPECT_EQ(Overload::drops(o, LQ_PEER_THERE), LISTENQ_DROP_NONE);
	EXPECT_EQ(Overload::drops(o, LQ_PEER_FINISHED), LISTENQ_DROP_NONE);
	EXPECT_EQ(Overload::drops(o, LQ_PEER_GONE), LISTENQ_DROP_ACCEPT_GONE);
	o.accept_dead = LISTENQ_DEAD_SKIP_FIN;
	EXPECT_EQ(Overload::drops(o, LQ_PEER_THERE), LISTENQ_DROP_NONE);
	EXPECT_EQ(Overload::drops(o, LQ_PEER_FINISHED), LISTENQ_DROP_ACCEPT_FINISHED);
	EXPECT_EQ(Overload::drops(o, LQ_PEER_GONE), LISTENQ_DROP_ACCEPT_GONE);
	o.accept_dead = LISTENQ_DEAD_KEEP;
	for (const lq_peer peer : {LQ_PEER_THERE, LQ_PEER_FINISHED, LQ_PEER_GONE})
		EXPECT_EQ(Overload::drops(o, peer), LISTENQ_DROP_NONE);
}

TEST(overload, manages)
{
	lq_overload o = overload();

	EXPECT_FALSE(Overload::manages(o));
	o.accept_dead = LISTENQ_DEAD_SKIP_FIN;
	o.codel_interval_ms = 7;
	EXPECT_FALSE(Overload::manages(o));
	for (u32 lq_overload::*each :
	     {&lq_overload::accept_max_wait_ms, &lq_overload::accept_order,
	      &lq_overload::codel_target_ms, &lq_overload::syn_admission_ms}) {
		o.*each = 1;
		EXPECT_TRUE(Overload::manages(o));
		o.*each = 0;
	}
}

TEST(overload, expires)
{
	lq_overload o = overload();

	EXPECT_FALSE(Overload::expires(o, ~0u));
	o.accept_max_wait_ms = 300;
	EXPECT_FALSE(Overload::expires(o, 300 * kMs - 1));
	EXPECT_TRUE(Overload::expires(o, 300 * kMs));
	o.accept_max_wait_ms = 3600000;
	EXPECT_FALSE(Overload::expires(o, 3600000000 - 1));
	EXPECT_TRUE(Overload::expires(o, 3600000000));
}

TEST(overload, newest_first)
{
	lq_overload o = overload();

	EXPECT_FALSE(Overload::newest_first(o, ~0u));
	o.accept_order = LISTENQ_ORDER_LIFO;
	EXPECT_TRUE(Overload::newest_first(o, 0));
	o.accept_order = LISTENQ_ORDER_ADAPTIVE;
	EXPECT_FALSE(Overload::newest_first(o, 100 * kMs - 1));
	EXPECT_TRUE(Overload::newest_first(o, 100 * kMs));
	o.codel_target_ms = 20;
	EXPECT_FALSE(Overload::newest_first(o, 20 * kMs - 1));
	EXPECT_TRUE(Overload::newest_first(o, 20 * kMs));
}

TEST(overload, names)
{
	for (u32 n = 0; n < __LISTENQ_DEAD_MAX; n++)
		EXPECT_EQ(lq_core_dead_find(lq_core_dead_name(n), strlen(lq_core_dead_name(n))),
			  static_cast<int>(n));
	for (u32 n = 0; n < __LISTENQ_ORDER_MAX; n++)
		EXPECT_EQ(lq_core_order_find(lq_core_order_name(n), strlen(lq_core_order_name(n))),
			  static_cast<int>(n));
	EXPECT_STREQ(lq_core_dead_name(LISTENQ_DEAD_SKIP_FIN), "skip-fin");
	EXPECT_STREQ(lq_core_order_name(LISTENQ_ORDER_ADAPTIVE), "adaptive");
	EXPECT_STREQ(lq_core_order_name(3), "?");
	EXPECT_EQ(lq_core_dead_find("skip-finn", 8), static_cast<int>(LISTENQ_DEAD_SKIP_FIN));
	EXPECT_EQ(lq_core_dead_find("skip-", 5), -1);
	EXPECT_EQ(lq_core_order_find("", 0), -1);
}
