// SPDX-License-Identifier: GPL-2.0
#include "model/counters.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include "base/error.hh"
#include "wire/message.hh"

using namespace lqctl;
using lqctl::testing::Message;

namespace {

Counters parse(CounterKind kind, const Message &m)
{
	return parse_counters(kind, Attr(LISTENQ_A_STATS_DROPS, m.attributes()));
}

TEST(counters, zero__all_in_header_order)
{
	Counters drops = zero_counters(CounterKind::drop);
	ASSERT_EQ(drops.size(), static_cast<std::size_t>(LISTENQ_DROP_MAX));
	for (unsigned i = 0; i < drops.size(); i++) {
		EXPECT_EQ(drops[i].number, i + 1);
		EXPECT_EQ(drops[i].value, 0u);
	}
	EXPECT_EQ(drops[0].name, "syn_queue_full");
	EXPECT_EQ(drops[0].text, "SYN: the SYN queue is full");
	EXPECT_EQ(zero_counters(CounterKind::event).size(),
		  static_cast<std::size_t>(LISTENQ_EVENT_MAX));
}

TEST(counters, parse__values_by_number)
{
	Message m;
	m.u64(LISTENQ_DROP_LSM, 3).u64(LISTENQ_DROP_SYN_QUEUE_FULL, 1ull << 40);
	Counters drops = parse(CounterKind::drop, m);
	EXPECT_EQ(drops[LISTENQ_DROP_LSM - 1].value, 3u);
	EXPECT_EQ(drops[0].value, 1ull << 40);
	EXPECT_EQ(total(drops), (1ull << 40) + 3);
}

TEST(counters, parse__unknown_number_is_kept)
{
	Message m;
	m.u64(LISTENQ_DROP_MAX + 5, 9);
	Counters drops = parse(CounterKind::drop, m);
	EXPECT_EQ(drops.back().name, "drop_" + std::to_string(LISTENQ_DROP_MAX + 5));
	EXPECT_EQ(drops.back().value, 9u);
	EXPECT_EQ(total(drops), 9u);
	EXPECT_EQ(parse(CounterKind::event, m).back().name,
		  "event_" + std::to_string(LISTENQ_DROP_MAX + 5));
}

TEST(counters, parse__padding_is_passed_over)
{
	Message m;
	m.bytes(0, {}).u64(LISTENQ_DROP_LSM, 3);
	Counters drops = parse(CounterKind::drop, m);
	EXPECT_EQ(drops.size(), static_cast<std::size_t>(LISTENQ_DROP_MAX));
	EXPECT_EQ(total(drops), 3u);
}

TEST(counters, parse__wrong_size)
{
	Message m;
	m.u32(LISTENQ_DROP_LSM, 3);
	EXPECT_THROW((void)parse(CounterKind::drop, m), Error);
}

TEST(counters, to_json__names_and_zeros)
{
	auto json = to_json(zero_counters(CounterKind::event));
	EXPECT_EQ(json.size(), static_cast<std::size_t>(LISTENQ_EVENT_MAX));
	EXPECT_EQ(json["accepted"], 0);
}

TEST(counters, total_drops__without_those_that_lose_nothing)
{
	Counters drops = zero_counters(CounterKind::drop);
	for (Counter &c : drops)
		c.value = 1;
	EXPECT_EQ(total_drops(drops), total(drops) - 2);
	EXPECT_TRUE(is_harmless(LISTENQ_DROP_ACK_DEFERRED) &&
		    is_harmless(LISTENQ_DROP_REQUEST_RESET));
	EXPECT_FALSE(is_harmless(LISTENQ_DROP_NONE) || is_harmless(LISTENQ_DROP_NO_ROUTE));
	EXPECT_FALSE(is_harmless(200)) << "a newer module's";
	EXPECT_EQ(counted(drops, 200), 0u);
	EXPECT_EQ(total(select_drops(drops, false)), total_drops(drops));
	EXPECT_EQ(select_drops(drops, true).size(), 2u);
	EXPECT_EQ(counted(select_drops(drops, true), LISTENQ_DROP_ACK_DEFERRED), 1u);
}

} // namespace
