// SPDX-License-Identifier: GPL-2.0
#include "model/threshold.hh"

#include <gtest/gtest.h>

#include "base/error.hh"

using namespace lqctl;

namespace {

Listener listener(std::uint64_t id, std::uint32_t accept_qlen, std::uint32_t syn_qlen = 0)
{
	Listener l;
	l.id = id;
	l.accept_qlen = accept_qlen;
	l.accept_limit = 100;
	l.syn_qlen = syn_qlen;
	l.syn_limit = 1000;
	return l;
}

std::vector<std::string> types(Thresholds &t, const std::vector<Listener> &listeners)
{
	std::vector<std::string> all;
	for (const Event &e : t.update(listeners, 5)) {
		EXPECT_EQ(e.time, 5u);
		all.push_back(std::to_string(e.listener) + ' ' + e.type);
	}
	return all;
}

using Types = std::vector<std::string>;

TEST(percent, parse)
{
	EXPECT_EQ(parse_percent("80"), 80u);
	EXPECT_EQ(parse_percent("1%"), 1u);
	EXPECT_EQ(parse_percent("100%"), 100u);
	for (const char *wrong :
	     {"", "%", "0", "101", "-5", "80%%", "8%0", "80 %", "0.8", "x", " 8"})
		EXPECT_THROW((void)parse_percent(wrong), Error) << wrong;
}

TEST(thresholds, update__up_and_down_with_hysteresis)
{
	Thresholds t(80);
	EXPECT_EQ(types(t, {listener(1, 79)}), Types{});
	EXPECT_EQ(types(t, {listener(1, 80)}), Types{"1 accept_queue_above"});
	for (const unsigned qlen : {100u, 80u, 79u, 72u, 80u})
		EXPECT_EQ(types(t, {listener(1, qlen)}), Types{}) << qlen;
	EXPECT_EQ(types(t, {listener(1, 71)}), Types{"1 accept_queue_below"});
	EXPECT_EQ(types(t, {listener(1, 79)}), Types{});
	EXPECT_EQ(types(t, {listener(1, 90)}), Types{"1 accept_queue_above"});
}

TEST(thresholds, update__both_queues_of_several)
{
	Thresholds t(50);
	EXPECT_EQ(types(t, {listener(1, 50, 500), listener(2, 0, 499), listener(3, 99)}),
		  (Types{"1 accept_queue_above", "1 syn_queue_above", "3 accept_queue_above"}));
	EXPECT_EQ(types(t, {listener(1, 50, 0), listener(2, 0, 500), listener(3, 0)}),
		  (Types{"1 syn_queue_below", "2 syn_queue_above", "3 accept_queue_below"}));
}

TEST(thresholds, update__one_that_is_gone_is_forgotten)
{
	Thresholds t(50);
	EXPECT_EQ(types(t, {listener(1, 99)}), Types{"1 accept_queue_above"});
	EXPECT_EQ(types(t, {}), Types{});
	EXPECT_EQ(types(t, {listener(1, 99)}), Types{"1 accept_queue_above"});
}

TEST(thresholds, update__no_limit_is_never_reached)
{
	Thresholds t(1);
	Listener l = listener(1, 0);
	l.accept_limit = l.syn_limit = 0;
	EXPECT_EQ(types(t, {l}), Types{});
}

} // namespace
