// SPDX-License-Identifier: GPL-2.0
// Backoff: timeouts, the thresh rule, TCP_DEFER_ACCEPT.
#include "core/backoff.hh"

#include "property.hh"
#include "support.hh"

using listenq::Backoff;
using listenq::Request;
using namespace testing_core;

namespace {

Backoff make(u32 timeout_ms = 1000, u8 retries = 5, u8 defer = 0, u32 hz = kHz)
{
	lq_config c = config();

	c.hz = hz;
	c.synack_timeout_ms = timeout_ms;
	c.synack_retries = retries;
	c.defer_accept = defer;
	return Backoff(c);
}

Request timed_out(u8 times, u8 flags = 0)
{
	Request r{};

	r.num_timeout = times;
	r.flags = flags;
	return r;
}

} // namespace

TEST(backoff, timeout__doubles_up_to_120_s)
{
	const u32 seconds[] = {1, 2, 4, 8, 16, 32, 64, 120, 120, 120};
	const Backoff backoff = make();

	for (u8 n = 0; n < 10; n++)
		EXPECT_EQ(backoff.timeout(n), seconds[n] * kHz) << unsigned{n};
	EXPECT_EQ(backoff.timeout(255), 120 * kHz);
}

TEST(backoff, timeout__five_retries_end_at_63_s)
{
	const Backoff backoff = make();
	u32 sum = 0;

	for (u8 n = 0; n <= 5; n++)
		sum += backoff.timeout(n);
	EXPECT_EQ(sum, 63 * kHz);
}

TEST(backoff, timeout__every_hz)
{
	for (const u32 hz : {16u, 100u, 250u, 300u, 1000u}) {
		EXPECT_EQ(make(1000, 5, 0, hz).timeout(0), hz);
		EXPECT_EQ(make(3000, 5, 0, hz).timeout(1), 6 * hz);
		EXPECT_EQ(make(120000, 5, 0, hz).timeout(9), 120 * hz);
	}
}

TEST(backoff, timeout__rounds_up_and_is_never_0)
{
	EXPECT_EQ(make(10, 5, 0, 16).timeout(0), 1u);
	EXPECT_EQ(make(11, 5, 0, 100).timeout(0), 2u);
	EXPECT_EQ(make(10, 5, 0, 100).timeout(0), 1u);
	EXPECT_EQ(make(0).timeout(0), 1u);
}

TEST(backoff, timeout__the_first_is_capped_too)
{
	EXPECT_EQ(make(0xffffffff).timeout(0), 120 * kHz);
	EXPECT_EQ(make(100000).timeout(1), 120 * kHz);
}

TEST(backoff, threshold__table)
{
	// 16 buckets: the rule begins at half, 8.
	const struct {
		u32 qlen, young;
		u8 want;
	} table[] = {
		{0, 0, 5}, // less than half full: all retries
		{7, 0, 5},
		{8, 8, 5}, // most are young: 8 < 16
		{8, 5, 5}, // 8 < 10
		{8, 4, 4}, // 8 >= 8, then 8 < 16
		{8, 3, 4}, // 8 >= 6, then 8 < 12
		{8, 2, 3}, // 8 >= 4, 8 >= 8, then 8 < 16
		{8, 1, 2}, // 2 is the least
		{8, 0, 2}, // nobody is young
		{16, 9, 5},
		{16, 8, 4},
		{16, 1, 2},
		{0xffffffff, 0x7fffffff, 4}, // no overflow on the way
		{0xffffffff, 0x80000000, 5},
	};
	const Backoff backoff = make();

	for (const auto &t : table)
		EXPECT_EQ(backoff.threshold(t.qlen, t.young, 4), t.want)
			<< t.qlen << " queued, " << t.young << " young";
}

// inet_csk_reqsk_queue_prune() of Linux 3.0, as it stands there.
static int prune_thresh(int max_retries, int qlen, int qlen_young, int max_qlen_log)
{
	int thresh = max_retries;

	if (qlen >> (max_qlen_log - 1)) {
		int young = (qlen_young << 1);

		while (thresh > 2) {
			if (qlen < young)
				break;
			thresh--;
			young <<= 1;
		}
	}
	return thresh;
}

TEST(backoff, threshold__property_is_the_kernels)
{
	property("as inet_csk_reqsk_queue_prune()", [] {
		const auto log = *rc::gen::inRange<u8>(1, 20);
		const auto qlen = *rc::gen::inRange<u32>(0, 2u << log);
		const auto young = *rc::gen::inRange<u32>(0, qlen + 1);
		const auto retries = *rc::gen::inRange<u8>(0, 12);

		RC_ASSERT(make(1000, retries).threshold(qlen, young, log) ==
			  prune_thresh(retries, static_cast<int>(qlen), static_cast<int>(young),
				       log));
	});
}

TEST(backoff, threshold__few_retries_stay_few)
{
	EXPECT_EQ(make(1000, 0).threshold(16, 0, 4), 0u);
	EXPECT_EQ(make(1000, 1).threshold(16, 0, 4), 1u);
	EXPECT_EQ(make(1000, 2).threshold(16, 0, 4), 2u);
	EXPECT_EQ(make(1000, 255).threshold(16, 0, 4), 2u);
}

TEST(backoff, threshold__no_table)
{
	EXPECT_EQ(make().threshold(0, 0, 0), 5u);
}

TEST(backoff, due__without_deferral)
{
	const Backoff backoff = make();

	for (const u8 flags : {0, LQ_REQ_ACKED}) {
		for (u8 n = 0; n < 5; n++) {
			EXPECT_FALSE(backoff.due(timed_out(n, flags), 5).expire);
			EXPECT_TRUE(backoff.due(timed_out(n, flags), 5).resend);
		}
		EXPECT_TRUE(backoff.due(timed_out(5, flags), 5).expire);
		EXPECT_TRUE(backoff.due(timed_out(2, flags), 2).expire);
	}
}

TEST(backoff, due__no_retries_expires_at_once)
{
	EXPECT_TRUE(make(1000, 0).due(timed_out(0), 0).expire);
}

TEST(backoff, due__deferred_without_ack_is_as_ever)
{
	const Backoff backoff = make(1000, 5, 3);

	EXPECT_TRUE(backoff.due(timed_out(0), 5).resend);
	EXPECT_FALSE(backoff.due(timed_out(4), 5).expire);
	EXPECT_TRUE(backoff.due(timed_out(5), 5).expire);
}

TEST(backoff, due__deferred_and_acked_is_silent_until_the_end)
{
	const Backoff backoff = make(1000, 5, 4);

	EXPECT_FALSE(backoff.due(timed_out(0, LQ_REQ_ACKED), 5).resend);
	EXPECT_FALSE(backoff.due(timed_out(2, LQ_REQ_ACKED), 5).resend);
	EXPECT_TRUE(backoff.due(timed_out(3, LQ_REQ_ACKED), 5).resend);
	EXPECT_FALSE(backoff.due(timed_out(4, LQ_REQ_ACKED), 5).expire);
	EXPECT_TRUE(backoff.due(timed_out(5, LQ_REQ_ACKED), 5).expire);
}

TEST(backoff, due__an_acked_one_goes_when_the_deferral_is_over_and_the_queue_is_full)
{
	// inet_csk_reqsk_queue_prune() of 3.0 has the deferral as max_retries.
	const Backoff backoff = make(1000, 5, 3);

	EXPECT_FALSE(backoff.due(timed_out(2, LQ_REQ_ACKED), 2).expire);
	EXPECT_TRUE(backoff.due(timed_out(3, LQ_REQ_ACKED), 2).expire);
}

TEST(backoff, due__a_deferral_beyond_the_retries_keeps_the_acked)
{
	const Backoff backoff = make(1000, 5, 9);

	EXPECT_FALSE(backoff.due(timed_out(5, LQ_REQ_ACKED), 5).expire);
	EXPECT_FALSE(backoff.due(timed_out(8, LQ_REQ_ACKED), 5).expire);
	EXPECT_TRUE(backoff.due(timed_out(9, LQ_REQ_ACKED), 5).expire);
	EXPECT_TRUE(backoff.due(timed_out(5), 5).expire);
}

TEST(backoff, defers__until_the_count_is_reached)
{
	const Backoff backoff = make(1000, 5, 2);

	EXPECT_TRUE(backoff.defers(timed_out(0)));
	EXPECT_TRUE(backoff.defers(timed_out(1)));
	EXPECT_FALSE(backoff.defers(timed_out(2)));
	EXPECT_FALSE(make().defers(timed_out(0)));
}

TEST(backoff, default__a_closed_listener_has_no_timeouts)
{
	EXPECT_EQ(Backoff().retries(), 0u);
	EXPECT_EQ(Backoff().timeout(0), 1u);
}

TEST(backoff, timeout__berkeley_ends_at_75_s)
{
	for (const u32 hz : {16u, 100u, 250u, 1000u}) {
		lq_config c = config();

		c.hz = hz;
		c.policy = LQ_POLICY_BERKELEY;
		c.synack_retries = 5;
		const Backoff backoff(c);
		EXPECT_EQ(backoff.initial(), 6 * hz);
		EXPECT_EQ(backoff.timeout(0), 6 * hz);
		EXPECT_EQ(backoff.timeout(1), 24 * hz);
		EXPECT_EQ(backoff.timeout(2), 45 * hz);
		EXPECT_EQ(backoff.timeout(255), 45 * hz);
		EXPECT_EQ(backoff.retries(), 2u);
		EXPECT_FALSE(backoff.due(timed_out(1), backoff.retries()).expire);
		EXPECT_TRUE(backoff.due(timed_out(2), backoff.retries()).expire);
		c.own_timing = 1;
		EXPECT_EQ(Backoff(c).timeout(0), hz);
		EXPECT_EQ(Backoff(c).retries(), 5u);
	}
}
