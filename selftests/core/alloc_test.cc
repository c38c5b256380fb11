// SPDX-License-Identifier: GPL-2.0
// Memory runs out, at every place where the shims ask for some: what was asked for fails, all
// else stays as it was, nothing is lost and the counters add up.
#include <gtest/gtest.h>

#include "host_shim.hh"

using namespace testing_core;

namespace {

constexpr u32 kPeers = 12;

lq_config settings(s32 backlog, u8 syncookies = 1)
{
	lq_config c = classic(backlog);

	c.syncookies = syncookies;
	c.synack_retries = 1;
	return c;
}

// Every thing that asks for memory, in every state of the queues.
void story(HostShim &shim)
{
	if (!shim.listen(settings(5)))
		return;
	for (u32 n = 0; n < kPeers; n++)
		shim.syn(n);
	for (u32 n = 0; n < kPeers; n += 2)
		shim.ack(n);
	EXPECT_EQ(shim.check(), nullptr);
	shim.accept();
	shim.listen(settings(600)); // a larger table
	for (u32 n = 1; n < kPeers; n += 2)
		shim.ack(n);
	shim.accept();
	shim.filter(LQ_FILTER_DATAREADY);
	for (u32 n = kPeers; n < 2 * kPeers; n++) {
		shim.syn(n);
		shim.ack(n);
	}
	shim.held();
	shim.reap();
	shim.filter(LQ_FILTER_NONE);
	shim.listen(settings(8, 2)); // cookies only, and a smaller table
	for (u32 n = 2 * kPeers; n < 3 * kPeers; n++) {
		shim.syn(n);
		shim.accept();
		shim.cookie_ack(n);
	}
	while (shim.accept())
		;
	shim.cookie_ack(2 * kPeers); // its ACK again, and there is room
	shim.listen(settings(8, 0));
	for (u32 n = 3 * kPeers; n < 4 * kPeers; n++)
		shim.syn(n);
	EXPECT_EQ(shim.check(), nullptr);
	for (u32 n = 0; n < 100; n++) {
		shim.now += kHz / LQ_TICKS_PER_SECOND;
		shim.tick();
	}
	while (shim.accept())
		;
}

// Afterwards it must work as if nothing had been.
void works(HostShim &shim, Memory &memory)
{
	memory.fail(0);
	shim.filter(LQ_FILTER_NONE);
	while (shim.accept())
		;
	ASSERT_TRUE(shim.listen(settings(8, 0)));
	const listenq_info before = shim.info();
	EXPECT_EQ(before.accept_qlen, 0u);
	for (u32 n = 0; n < 400; n++) {
		shim.now += kHz / LQ_TICKS_PER_SECOND;
		shim.tick();
	}
	EXPECT_EQ(shim.info().syn_qlen, 0u) << "a request that never ends";
	// As many as the limit says: no slot is lost.
	for (u32 n = 0; n < before.accept_limit; n++) {
		EXPECT_EQ(shim.syn(500 + n), LQ_SYN_NEW);
		EXPECT_EQ(shim.ack(500 + n), LQ_ACK_PROMOTE);
	}
	EXPECT_EQ(shim.info().accept_qlen, before.accept_limit);
	EXPECT_EQ(shim.check(), nullptr);
}

void add_up(HostShim &shim)
{
	const lq_counters c = shim.counters();
	const u64 answered =
		c.events[LISTENQ_EVENT_REQUEST_CREATED] + c.events[LISTENQ_EVENT_COOKIE_SENT] +
		c.events[LISTENQ_EVENT_SYN_DUPLICATE] + c.drops[LISTENQ_DROP_SYN_QUEUE_FULL] +
		c.drops[LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN] +
		c.drops[LISTENQ_DROP_SYN_LAST_QUARTER] + c.drops[LISTENQ_DROP_NO_MEMORY];

	EXPECT_EQ(c.events[LISTENQ_EVENT_SYN_RECEIVED], answered);
	EXPECT_EQ(c.events[LISTENQ_EVENT_ACCEPTED], shim.handed_over);
}

u64 places()
{
	Memory memory;
	HostShim shim(memory);

	memory.fail(0);
	story(shim);
	shim.close();
	EXPECT_EQ(memory.live(), 0);
	return memory.asked();
}

} // namespace

TEST(alloc, none_fails)
{
	Memory memory;
	HostShim shim(memory);

	story(shim);
	add_up(shim);
	// The story goes everywhere.
	const lq_counters c = shim.counters();
	EXPECT_GT(c.events[LISTENQ_EVENT_COOKIE_RECEIVED], 0u);
	EXPECT_GT(c.events[LISTENQ_EVENT_FILTER_HELD], 0u);
	EXPECT_GT(c.events[LISTENQ_EVENT_ACCEPTED], 10u);
	EXPECT_GT(c.drops[LISTENQ_DROP_REQUEST_EXPIRED], 0u);
	EXPECT_EQ(c.drops[LISTENQ_DROP_NO_MEMORY] + c.drops[LISTENQ_DROP_CHILD_FAILED], 0u);
	works(shim, memory);
	shim.close();
	EXPECT_EQ(memory.live(), 0);
}

TEST(alloc, each_one_fails_alone)
{
	const u64 n = places();

	ASSERT_GT(n, 50u);
	for (u64 i = 1; i <= n; i++) {
		SCOPED_TRACE(i);
		Memory memory;
		HostShim shim(memory);

		memory.fail(i);
		story(shim);
		EXPECT_EQ(memory.failed(), 1u);
		add_up(shim);
		works(shim, memory);
		shim.close();
		ASSERT_EQ(memory.live(), 0);
		EXPECT_EQ(shim.created, shim.handed_over + shim.resets);
	}
}

TEST(alloc, all_fail_from_one_on)
{
	const u64 n = places();

	for (u64 i = 1; i <= n; i++) {
		SCOPED_TRACE(i);
		Memory memory;
		HostShim shim(memory);

		memory.fail(i, true);
		story(shim);
		add_up(shim);
		works(shim, memory);
		shim.close();
		ASSERT_EQ(memory.live(), 0);
		EXPECT_EQ(shim.created, shim.handed_over + shim.resets);
	}
}

// The listener closes, and listens again, wherever something was asked for.
TEST(alloc, fails_while_the_listener_closes)
{
	const u64 n = places();

	for (u64 i = 1; i <= n; i++) {
		for (const bool again : {false, true}) {
			SCOPED_TRACE(i);
			Memory memory;
			HostShim shim(memory);
			u64 places = 0;

			shim.meanwhile = [&] {
				if (++places != i)
					return;
				shim.close();
				if (again && !shim.listen(settings(5, 0)))
					ADD_FAILURE() << "more than one failed";
			};
			memory.fail(i + 1);
			story(shim);
			EXPECT_EQ(shim.check(), nullptr);
			shim.meanwhile = [] {};
			works(shim, memory);
			shim.close();
			ASSERT_EQ(memory.live(), 0);
			EXPECT_EQ(shim.created, shim.handed_over + shim.resets);
		}
	}
}

// Bug 6 of the sixteen: a count that is not balanced on a failure path kills the listener after
// as many failures as its queue has places.
TEST(alloc, more_failures_than_places)
{
	Memory memory;
	HostShim shim(memory);

	ASSERT_TRUE(shim.listen(settings(3, 0)));
	shim.syn(0);
	for (int i = 0; i < 1000; i++) {
		memory.fail(1);
		EXPECT_EQ(shim.ack(0), LQ_ACK_PROMOTE);
	}
	for (int i = 0; i < 1000; i++) {
		memory.fail(1);
		EXPECT_EQ(shim.syn(1), LQ_SYN_NEW);
	}
	shim.listen(settings(3, 2));
	for (int i = 0; i < 1000; i++) {
		shim.syn(1);
		memory.fail(1);
		EXPECT_EQ(shim.cookie_ack(1), LQ_ACK_COOKIE);
	}
	works(shim, memory);
	shim.close();
	EXPECT_EQ(memory.live(), 0);
}
