// SPDX-License-Identifier: GPL-2.0
#include "model/stats.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include "wire/message.hh"

using namespace lqctl;
using lqctl::testing::Message;

namespace {

Stats parsed()
{
	Message m;
	m.u32(LISTENQ_A_STATS_LISTENERS, 2)
		.nest(LISTENQ_A_STATS_DROPS, [&] { m.u64(LISTENQ_DROP_NO_ROUTE, 5).u64(99, 1); })
		.nest(LISTENQ_A_STATS_EVENTS, [&] { m.u64(LISTENQ_EVENT_ESTABLISHED, 6); })
		.u64(LISTENQ_A_STATS_MAX + 1, 7);
	return parse_stats(m.attributes());
}

TEST(stats, text__nonzero)
{
	EXPECT_EQ(stats_text(parsed(), {}),
		  "listeners   2 listening now\n"
		  "established 6 connections put on an accept queue\n"
		  "no_route    5 SYN or ACK: no route back to the peer\n"
		  "drop_99     1 of a newer module: this lqctl has no word for it\n");
}

TEST(stats, text__rates)
{
	EXPECT_EQ(stats_text(parsed(), {.seconds = 2}),
		  "listeners   2       listening now\n"
		  "established 6 3.0/s connections put on an accept queue\n"
		  "no_route    5 2.5/s SYN or ACK: no route back to the peer\n"
		  "drop_99     1 0.5/s of a newer module: this lqctl has no word for it\n");
}

TEST(stats, text__zeros)
{
	std::string text = stats_text(Stats(), {.zeros = true});
	EXPECT_EQ(std::count(text.begin(), text.end(), '\n'),
		  1 + LISTENQ_DROP_MAX + LISTENQ_EVENT_MAX);
}

TEST(stats, json)
{
	auto json = to_json(parsed());
	EXPECT_EQ(json["listeners"], 2);
	EXPECT_EQ(json["drops_total"], 6);
	EXPECT_EQ(json["drops"]["no_route"], 5);
	EXPECT_EQ(json["drops"]["lsm"], 0);
	EXPECT_EQ(json["drops"]["drop_99"], 1);
	EXPECT_EQ(json["events"]["established"], 6);
}

} // namespace
