// SPDX-License-Identifier: GPL-2.0
#include "model/baseline.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include "base/error.hh"

using namespace lqctl;

namespace {

Listener listener()
{
	Listener l;
	l.id = 7;
	l.inode = 99;
	l.drops[LISTENQ_DROP_NO_ROUTE - 1].value = 3;
	l.events[LISTENQ_EVENT_ACCEPTED - 1].value = 5;
	l.accept_wait = Histogram(std::vector<std::uint64_t>{1, 4});
	return l;
}

std::string text(const Listener &l)
{
	nlohmann::ordered_json json;
	json["listeners"] = {to_json(l)};
	return json.dump();
}

TEST(baseline, parse__what_list_wrote)
{
	const Listener l = listener();
	const auto all = parse_baseline(text(l), "x");
	ASSERT_EQ(all.size(), 1u);
	const Listener &back = all.at(7);
	EXPECT_EQ(back.inode, 99u);
	EXPECT_EQ(counted(back.drops, LISTENQ_DROP_NO_ROUTE), 3u);
	EXPECT_EQ(counted(back.events, LISTENQ_EVENT_ACCEPTED), 5u);
	EXPECT_EQ(back.accept_wait.count(), 5u);
	EXPECT_TRUE(is_past_of(back, l));
}

TEST(baseline, parse__buckets_as_fine_as_they_were)
{
	Listener l = listener();
	std::vector<std::uint64_t> counts(LISTENQ_WAIT_BUCKETS);
	counts[40] = 9;
	l.accept_wait = Histogram(counts, Histogram::Scale::fine);
	auto json = nlohmann::json::parse(text(l));
	EXPECT_EQ(parse_baseline(json.dump(), "x").at(7).accept_wait.percentile_us(50),
		  l.accept_wait.percentile_us(50));
	/* As an older lqctl wrote it. */
	json["listeners"][0].erase("accept_wait_fine");
	const Histogram back = parse_baseline(json.dump(), "x").at(7).accept_wait;
	EXPECT_FALSE(back.fine());
	EXPECT_EQ(back.count(), 9u);
	json["listeners"][0]["accept_wait_fine"] = {{{"from_us", 17}, {"count", 1}}};
	EXPECT_THROW((void)parse_baseline(json.dump(), "x"), Error);
}

TEST(baseline, parse__anything_else_is_refused)
{
	for (const char *bad : {"", "{", "{}", "[]", R"({"listeners": [{"id": 7}]})",
				R"({"listeners": [{"id": "x", "inode": 1}]})"})
		EXPECT_THROW((void)parse_baseline(bad, "x"), Error) << bad;
	EXPECT_TRUE(parse_baseline(R"({"listeners": [{"id": null}]})", "x").empty());
}

TEST(baseline, is_past_of__not_of_another_boot_or_namespace)
{
	const Listener now = listener();
	Listener before = now;
	before.events[LISTENQ_EVENT_ACCEPTED - 1].value = 6;
	EXPECT_FALSE(is_past_of(before, now));
	before = now;
	before.inode = 98;
	EXPECT_FALSE(is_past_of(before, now));
}

} // namespace
