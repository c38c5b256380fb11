// SPDX-License-Identifier: GPL-2.0
// The core behind a lock, as the shims have it, with threads for CPUs; compiled, with the core,
// under ThreadSanitizer. What is read without the lock is a hint (core/types.hh), and nothing
// else is; every request and child comes back once; the invariants hold at any moment.
//
// LQ_RACE_ROUNDS: events of each thread, 30000 if unset.
#include <cstdlib>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "host_shim.hh"

using namespace testing_core;

namespace {

u64 rounds()
{
	const char *words = std::getenv("LQ_RACE_ROUNDS");

	return words ? std::strtoull(words, nullptr, 10) : 30000;
}

// xorshift64: each thread its own.
struct Dice {
	u64 state;

	u32 roll(u32 sides)
	{
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		return static_cast<u32>((state >> 32) % sides);
	}
};

lq_config any_config(Dice &dice)
{
	lq_config c = config(static_cast<s32>(dice.roll(20)), 8 << dice.roll(6));

	c.policy = static_cast<u8>(dice.roll(LQ_POLICY_COUNT));
	c.syncookies = static_cast<u8>(dice.roll(3));
	c.abort_on_overflow = static_cast<u8>(dice.roll(3));
	c.synack_retries = static_cast<u8>(dice.roll(4));
	c.defer_accept = static_cast<u8>(dice.roll(2));
	if (dice.roll(2)) {
		c.overload.accept_max_wait_ms = dice.roll(3);
		c.overload.accept_dead = dice.roll(__LISTENQ_DEAD_MAX);
		c.overload.accept_order = dice.roll(__LISTENQ_ORDER_MAX);
		c.overload.codel_target_ms = dice.roll(3);
		c.overload.syn_admission_ms = dice.roll(3);
		c.overload.steal_us = dice.roll(3);
	}
	return c;
}

// A softirq: segments of a few peers, so that CPUs meet over the same ones.
void segments(HostShim &shim, u64 seed, u32 peers)
{
	Dice dice{seed};

	for (u64 i = rounds(); i > 0; i--) {
		const u32 n = dice.roll(peers);

		switch (dice.roll(8)) {
		case 0:
		case 1:
		case 2:
			shim.syn(n);
			break;
		case 3:
		case 4:
		case 5:
			shim.ack(n);
			break;
		case 6:
			shim.cookie_ack(n);
			break;
		case 7:
			shim.ack(n, true);
			break;
		}
	}
}

void acceptor(HostShim &shim, const std::atomic<bool> &stop)
{
	while (!stop) {
		if (shim.readable())
			shim.accept();
		else
			std::this_thread::yield();
	}
}

void timer(HostShim &shim, const std::atomic<bool> &stop)
{
	while (!stop) {
		shim.now += 7;
		shim.tick();
		shim.cull();
		EXPECT_EQ(shim.check(), nullptr);
		std::this_thread::yield();
	}
}

void filters(HostShim &shim, const std::atomic<bool> &stop)
{
	Dice dice{77};

	while (!stop) {
		shim.held();
		if (dice.roll(2))
			shim.reap();
		if (dice.roll(50) == 0)
			shim.filter(dice.roll(2) ? LQ_FILTER_DATAREADY : LQ_FILTER_NONE);
		std::this_thread::yield();
	}
}

void owner(HostShim &shim, const std::atomic<bool> &stop, bool closes)
{
	Dice dice{99};

	while (!stop) {
		if (closes && dice.roll(4) == 0)
			shim.close();
		shim.listen(any_config(dice));
		(void)shim.info();
		(void)shim.counters();
		(void)shim.half_open();
		std::this_thread::yield();
	}
}

void run(bool closes, bool filtered)
{
	Memory memory;
	HostShim shim(memory);
	std::atomic<bool> stop{false};
	std::vector<std::thread> cpus, others;

	shim.meanwhile = [] { std::this_thread::yield(); };
	shim.gone_every = 5;
	ASSERT_TRUE(shim.listen(config(4)));
	for (u64 cpu = 1; cpu <= 3; cpu++)
		cpus.emplace_back(segments, std::ref(shim), cpu * 0x9e3779b97f4a7c15, 16);
	for (int i = 0; i < 2; i++)
		others.emplace_back(acceptor, std::ref(shim), std::cref(stop));
	others.emplace_back(timer, std::ref(shim), std::cref(stop));
	others.emplace_back(owner, std::ref(shim), std::cref(stop), closes);
	if (filtered)
		others.emplace_back(filters, std::ref(shim), std::cref(stop));
	for (std::thread &cpu : cpus)
		cpu.join();
	stop = true;
	for (std::thread &other : others)
		other.join();

	EXPECT_EQ(shim.check(), nullptr);
	EXPECT_GT(shim.handed_over, 0u);
	shim.close();
	EXPECT_EQ(shim.check(), nullptr);
	EXPECT_EQ(memory.live(), 0);
	EXPECT_EQ(shim.created, shim.handed_over + shim.resets);
	// No slot was lost: as many fit as the limit says.
	ASSERT_TRUE(shim.listen(config(4)));
	for (u32 n = 100; n < 110; n++) {
		shim.syn(n);
		shim.ack(n);
	}
	EXPECT_EQ(shim.info().accept_qlen, 5u);
	shim.close();
	EXPECT_EQ(memory.live(), 0);
}

} // namespace

TEST(race, a_listener_that_stays)
{
	run(false, false);
}

TEST(race, a_listener_that_comes_and_goes)
{
	run(true, false);
}

TEST(race, with_accept_filters)
{
	run(true, true);
}

// Two members of a group, each with its own clients; whoever accepts takes what the other has.
TEST(race, members_of_a_group)
{
	Memory memory;
	// Not where another case's were: ThreadSanitizer would take their locks for the same.
	const auto one = std::make_unique<HostShim>(memory);
	const auto two = std::make_unique<HostShim>(memory);
	HostShim &first = *one, &second = *two;
	HostShim *const members[] = {&first, &second};
	std::atomic<bool> stop{false};
	std::atomic<u64> pulled{0};
	std::vector<std::thread> cpus, others;
	const auto sum = [&](std::atomic<u64> HostShim::*what) {
		return (first.*what).load() + (second.*what).load();
	};
	const auto server = [&](HostShim &own, HostShim &other) {
		while (!stop) {
			if (own.readable())
				own.accept();
			else if (own.pull(other))
				pulled++;
			else
				std::this_thread::yield();
		}
	};
	lq_config c = config(4);

	c.overload.steal_us = 1;
	for (HostShim *shim : members) {
		shim->meanwhile = [] { std::this_thread::yield(); };
		ASSERT_TRUE(shim->listen(c));
		others.emplace_back(timer, std::ref(*shim), std::cref(stop));
		others.emplace_back(owner, std::ref(*shim), std::cref(stop), true);
	}
	for (u64 cpu = 1; cpu <= 3; cpu++)
		cpus.emplace_back(segments, std::ref(first), cpu * 0x9e3779b97f4a7c15, 16);
	others.emplace_back(server, std::ref(first), std::ref(second));
	others.emplace_back(server, std::ref(second), std::ref(first));
	for (std::thread &cpu : cpus)
		cpu.join();
	stop = true;
	for (std::thread &other : others)
		other.join();
	EXPECT_GT(pulled, 0u);
	for (HostShim *shim : members) {
		EXPECT_EQ(shim->check(), nullptr);
		shim->close();
		EXPECT_EQ(shim->check(), nullptr);
	}
	EXPECT_EQ(memory.live(), 0);
	EXPECT_EQ(sum(&HostShim::created), sum(&HostShim::handed_over) + sum(&HostShim::resets));
}

// Two CPUs and one SYN, one ACK, one place: as often as it takes for them to meet.
TEST(race, the_same_segments_on_two_cpus)
{
	Memory memory;
	HostShim shim(memory);
	std::vector<std::thread> cpus;

	shim.meanwhile = [] { std::this_thread::yield(); };
	ASSERT_TRUE(shim.listen(config(0)));
	for (int cpu = 0; cpu < 2; cpu++) {
		cpus.emplace_back([&] {
			for (u64 i = rounds() / 4; i > 0; i--) {
				shim.syn(0);
				EXPECT_LE(shim.half_open(), 1u);
				shim.ack(0);
				shim.accept();
			}
		});
	}
	for (std::thread &cpu : cpus)
		cpu.join();
	EXPECT_EQ(shim.check(), nullptr);
	while (shim.accept())
		;
	EXPECT_EQ(shim.created, shim.handed_over);
	shim.close();
	EXPECT_EQ(memory.live(), 0);
}
