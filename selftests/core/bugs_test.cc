// SPDX-License-Identifier: GPL-2.0
// The bugs that listen queues have had, as far as the core alone can have them; the others, and
// the list, are in selftests/net/bugs_test.py.
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/listener.hh"
#include "core/syn_cookie.hh"
#include "host_shim.hh"

using namespace listenq;
using namespace testing_core;

namespace {

lq_config settings(s32 backlog, u8 syncookies = 0)
{
	lq_config c = config(backlog);

	c.syncookies = syncookies;
	return c;
}

// How many instructions check() takes, counted one by one; 0: it cannot be traced here.
u64 instructions(const SynCookie &cookie, const SynCookie::Tuple &tuple, Seq isn)
{
	const pid_t pid = fork();
	u64 count = 0;
	int status;

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0)
			_exit(1);
		(void)cookie.check(tuple, isn, 1000); // all that is resolved lazily
		raise(SIGSTOP);
		(void)cookie.check(tuple, isn, 1000);
		raise(SIGSTOP);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return 0;
	do {
		if (ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) != 0 ||
		    waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			return 0;
		count++;
	} while (WSTOPSIG(status) != SIGSTOP);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return count;
}

} // namespace

// 1. A request that the timer gave up is in no queue, and a segment of it finds nothing.
TEST(bugs, bug_01_timer_against_unlink)
{
	Memory memory;
	HostShim shim(memory);

	ASSERT_TRUE(shim.listen(settings(8)));
	for (u32 n = 0; n < 6; n++)
		shim.syn(n);
	for (int i = 0; i < 2000 && shim.half_open() != 0; i++) {
		shim.now += kHz / LQ_TICKS_PER_SECOND;
		shim.tick();
		EXPECT_EQ(shim.check(), nullptr);
	}
	for (u32 n = 0; n < 6; n++) {
		EXPECT_EQ(shim.ack(n), LQ_ACK_UNKNOWN);
		EXPECT_EQ(shim.ack(n, true), LQ_ACK_UNKNOWN);
	}
	EXPECT_EQ(memory.live(), 1); // the table
	shim.close();
	EXPECT_EQ(memory.live(), 0);
}

// 3. While its child is built a request is its ACK's: the timer passes it by.
TEST(bugs, bug_03_timer_during_promotion)
{
	Memory memory;
	HostShim shim(memory);

	ASSERT_TRUE(shim.listen(settings(8)));
	shim.syn(1);
	shim.meanwhile = [&] {
		for (int i = 0; i < 2000; i++) {
			shim.now += kHz / LQ_TICKS_PER_SECOND;
			shim.tick();
		}
	};
	EXPECT_EQ(shim.ack(1), LQ_ACK_PROMOTE);
	EXPECT_TRUE(shim.readable());
	EXPECT_EQ(shim.counters().events[LISTENQ_EVENT_SYNACK_RETRANS], 0u);
	shim.meanwhile = [] {};
	shim.close();
	EXPECT_EQ(memory.live(), 0);
}

// 7. The same SYN on two CPUs, between the first's reservation and its commit.
TEST(bugs, bug_07_same_syn_on_two_cpus)
{
	Memory memory;
	HostShim shim(memory);

	ASSERT_TRUE(shim.listen(settings(8)));
	shim.meanwhile = [&] {
		shim.meanwhile = [] {};
		EXPECT_EQ(shim.syn(1), LQ_SYN_NEW);
	};
	EXPECT_EQ(shim.syn(1), LQ_SYN_NEW);
	EXPECT_EQ(shim.half_open(), 1u);
	EXPECT_EQ(shim.counters().events[LISTENQ_EVENT_REQUEST_CREATED], 1u);
	EXPECT_EQ(shim.counters().events[LISTENQ_EVENT_SYN_DUPLICATE], 1u);
	shim.close();
	EXPECT_EQ(memory.live(), 0);
}

// 8. The listener closes, and perhaps listens again, while a child or a request is built.
TEST(bugs, bug_08_enqueue_after_close)
{
	for (const bool again : {false, true}) {
		Memory memory;
		HostShim shim(memory);
		const auto closes = [&] {
			shim.meanwhile = [] {};
			shim.close();
			if (again && !shim.listen(settings(8)))
				ADD_FAILURE();
		};

		ASSERT_TRUE(shim.listen(settings(8)));
		shim.syn(1);
		shim.meanwhile = closes;
		EXPECT_EQ(shim.ack(1), LQ_ACK_PROMOTE);
		EXPECT_FALSE(shim.readable());
		EXPECT_EQ(shim.resets, 1u);
		ASSERT_TRUE(shim.listen(settings(8)));
		shim.meanwhile = closes;
		shim.syn(2);
		// Not even where it is open again: that may be at another port.
		EXPECT_EQ(shim.half_open(), 0u);
		shim.close();
		EXPECT_EQ(shim.check(), nullptr);
		EXPECT_EQ(memory.live(), 0);
	}
}

// 12. The time of a comparison tells how much of a guessed cookie was right.
TEST(bugs, bug_12_mac_comparison_takes_constant_time)
{
	const SynCookie cookie(kKeys);
	const lq_key key = peer(1);
	const SynCookie::Tuple tuple{.key = key, .local_port = 80, .client_isn = Seq{1000}};
	const u32 isn = cookie.make(tuple, 1460, 1000).isn.value;
	ASSERT_NE(cookie.check(tuple, Seq{isn}, 1000), 0);
	// What lies under the MAC's low bits stays: whether that is too old is no secret.
	const auto guess = [&](u32 wrong) {
		return instructions(cookie, tuple, Seq{isn ^ wrong ^ (wrong & 31) << 27});
	};
	const u64 first = guess(1);

	if (first == 0)
		GTEST_SKIP() << "no ptrace()";
	EXPECT_GT(first, 100u);
	// The 27 bits of the MAC, one wrong at a time, then all.
	for (u32 bit = 1; bit < 27; bit++)
		EXPECT_EQ(guess(1u << bit), first) << bit;
	EXPECT_EQ(guess((1u << 27) - 1), first);
}

// 14. Cookies after a time without, in which ticks (and half their range) went by.
TEST(bugs, bug_14_cookies_after_long_idle)
{
	for (const u64 idle : {u64{1} << 31, (u64{1} << 31) + 1, (u64{1} << 32) - 1, u64{1} << 32,
			       (u64{3} << 31) + 7}) {
		auto core = std::make_unique<Listener>(kKeys);
		const lq_config c = settings(8, 2);
		lq_limits limits;
		lq_drained drained;

		lq_core_limits(&c, &limits);
		core->configure(c, limits);
		core->open(new_buckets(core->table_first()), core->table_first());
		u64 ticks = 5000;
		const auto cookie_works = [&] {
			const u32 now_s = static_cast<u32>(ticks / kHz);
			lq_request_copy copy{};
			Request *freed;
			lq_promotion promotion{};
			lq_syn syn{};
			lq_ack ack{};

			syn.key = ack.key = peer(2);
			syn.seq = 1000;
			syn.now = ack.now = static_cast<u32>(ticks);
			syn.now_s = ack.now_s = now_s;
			EXPECT_EQ(core->syn(syn, copy, freed), LQ_SYN_COOKIE);
			copy.request.rcv_isn = syn.seq;
			copy.request.mss = 1460;
			(void)lq_core_cookie(&kKeys, &syn.key, 80, now_s, 0, &copy.request);
			ack.seq = ack.end_seq = 1001;
			ack.ack_seq = copy.request.snt_isn + 1;
			ack.local_port = 80;
			ack.ack = ack.vetted = true;
			EXPECT_EQ(core->ack(ack, copy, promotion, freed), LQ_ACK_MAYBE_COOKIE);
			EXPECT_EQ(core->ack_cookie(ack, promotion), LQ_ACK_COOKIE);
			EXPECT_TRUE(aborted(*core, promotion));
			return ack;
		};

		lq_ack old = cookie_works();
		ticks += idle;
		// What was sent before is no longer believed, whatever the ticks say.
		lq_request_copy copy;
		lq_promotion promotion;
		Request *freed;
		old.now = static_cast<u32>(ticks);
		old.now_s = static_cast<u32>(ticks / kHz);
		EXPECT_EQ(core->ack(old, copy, promotion, freed), LQ_ACK_UNKNOWN);
		cookie_works();
		EXPECT_FALSE(core->close(~0u, drained));
		std::free(drained.table);
		EXPECT_EQ(core->check(), nullptr);
	}
}
