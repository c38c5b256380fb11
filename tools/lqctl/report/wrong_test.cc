// SPDX-License-Identifier: GPL-2.0
#include "report/wrong.hh"

#include <gtest/gtest.h>

namespace lqctl {
namespace {

using namespace std::chrono_literals;

const RecordedFinding stalled{"accept_stalled", "problem", "nobody accepts"};
const RecordedFinding slow{"accept_slow", "warning", "it waits for 20 ms"};
const RecordedFinding past{"past", "note", "long ago"};

/* Of one listener, one sample a second, from 0 to @seconds. */
Segment segment(int seconds, std::int64_t begin_s = 0)
{
	Segment s;

	s.time_ns = (1'700'000'000 + begin_s) * 1'000'000'000;
	s.interval = 1s;
	for (int i = 0; i <= seconds; i++) {
		RecordedListener o;
		o.id = 1;
		o.local = "*:80";
		o.accept_limit = 9;
		s.samples.push_back({i * 1s, true, {o}});
	}
	s.end = "end";
	return s;
}

RecordedVerdict verdict(std::chrono::seconds at, std::vector<RecordedFinding> findings)
{
	return {at, 1, "*:80", "nginx", "nginx.service", std::move(findings)};
}

std::vector<Wrong> wrong_of(const Recording &recording)
{
	return find_wrong(recording, make_timeline(recording, 200));
}

/* As "code begin-end" in seconds, "code begin-" of what goes on. */
std::vector<std::string> spans(const Wrong &wrong)
{
	std::vector<std::string> all;

	for (const WrongFinding &f : wrong.findings)
		all.push_back(f.code + ' ' + std::to_string(f.begin_us / 1'000'000) + '-' +
			      (f.is_over ? std::to_string(f.end_us / 1'000'000) : ""));
	return all;
}

TEST(wrong, nothing)
{
	Recording r;

	r.segments = {segment(10)};
	EXPECT_TRUE(wrong_of(r).empty());
	r.segments[0].verdicts = {verdict(1s, {past})};
	EXPECT_TRUE(wrong_of(r).empty());
}

/* Findings of different moments are not told as if all were so now. */
TEST(wrong, each_finding_has_its_time)
{
	Recording r;

	r.segments = {segment(10)};
	r.segments[0].verdicts = {verdict(1s, {slow}), verdict(3s, {stalled, past}),
				  verdict(7s, {slow})};
	const auto wrong = wrong_of(r);
	ASSERT_EQ(wrong.size(), 1);
	EXPECT_EQ(spans(wrong[0]),
		  (std::vector<std::string>{"accept_slow 1-", "accept_stalled 3-7"}));
	EXPECT_TRUE(wrong[0].goes_on);
	EXPECT_TRUE(wrong[0].is_problem) << "it was one, though it is over";
	EXPECT_EQ(wrong[0].program, "nginx");
	EXPECT_EQ(wrong[0].unit, "nginx.service");
}

TEST(wrong, what_is_over_does_not_go_on)
{
	Recording r;

	r.segments = {segment(10)};
	r.segments[0].verdicts = {verdict(1s, {slow}), verdict(3s, {stalled}), verdict(7s, {past})};
	const auto wrong = wrong_of(r);
	ASSERT_EQ(wrong.size(), 1);
	EXPECT_EQ(spans(wrong[0]),
		  (std::vector<std::string>{"accept_stalled 3-7", "accept_slow 1-3"}));
	EXPECT_FALSE(wrong[0].goes_on);
}

/* The numbers are of its last verdict, the severity is the worst. */
TEST(wrong, one_code_once)
{
	Recording r;

	r.segments = {segment(10)};
	r.segments[0].verdicts = {
		verdict(1s, {stalled}),
		verdict(4s, {{"accept_stalled", "warning", "accepts again"}}),
	};
	const auto wrong = wrong_of(r);
	ASSERT_EQ(wrong.size(), 1);
	EXPECT_EQ(spans(wrong[0]), (std::vector<std::string>{"accept_stalled 1-"}));
	EXPECT_TRUE(wrong[0].findings[0].is_problem);
	EXPECT_EQ(wrong[0].findings[0].text, "accepts again");
}

/* By the timeline's clock, whichever recorder saw it. */
TEST(wrong, over_several_segments)
{
	Recording r;

	r.segments = {segment(10), segment(10, 60)};
	r.segments[0].verdicts = {verdict(2s, {slow})};
	r.segments[1].verdicts = {verdict(5s, {stalled})};
	const auto wrong = wrong_of(r);
	ASSERT_EQ(wrong.size(), 1);
	EXPECT_EQ(spans(wrong[0]),
		  (std::vector<std::string>{"accept_stalled 65-", "accept_slow 2-65"}));
}

/* Nothing goes on at a listener that is gone. */
TEST(wrong, a_listener_that_went)
{
	Recording r;

	r.segments = {segment(10)};
	r.segments[0].verdicts = {verdict(2s, {stalled})};
	for (std::size_t i = 6; i <= 10; i++)
		r.segments[0].samples[i].listeners.clear();
	const auto wrong = wrong_of(r);
	ASSERT_EQ(wrong.size(), 1);
	EXPECT_FALSE(wrong[0].goes_on);
	EXPECT_TRUE(wrong[0].findings[0].is_over);
	EXPECT_GE(wrong[0].findings[0].end_us, 5'000'000);
	EXPECT_LE(wrong[0].findings[0].end_us, 6'000'000);
}

/* Without a verdict, by the counters: harmless drops are no fault. */
TEST(wrong, by_the_counters)
{
	Recording r;

	r.segments = {segment(10)};
	r.names = {"ack_deferred", "accept_queue_full_syn"};
	auto &samples = r.segments[0].samples;
	samples[0].listeners[0].drops = {};
	samples[10].listeners[0].drops = {{0, 5}};
	EXPECT_TRUE(wrong_of(r).empty());
	samples[10].listeners[0].drops = {{0, 5}, {1, 7}};
	auto wrong = wrong_of(r);
	ASSERT_EQ(wrong.size(), 1);
	EXPECT_EQ(wrong[0].drops, 7);
	EXPECT_TRUE(wrong[0].is_problem);
	EXPECT_FALSE(wrong[0].goes_on);
	samples[10].listeners[0].drops = {};
	samples[4].listeners[0].accept_qlen = 8;
	EXPECT_TRUE(wrong_of(r).empty());
	samples[4].listeners[0].accept_qlen = 9;
	wrong = wrong_of(r);
	ASSERT_EQ(wrong.size(), 1);
	EXPECT_EQ(wrong[0].filled, 100);
	EXPECT_FALSE(wrong[0].is_problem);
}

/* What goes on is worse than what is over. */
TEST(wrong, the_worst_first)
{
	Recording r;

	r.segments = {segment(10)};
	for (Sample &sample : r.segments[0].samples) {
		RecordedListener other = sample.listeners[0];
		other.id = 2;
		other.local = "*:81";
		sample.listeners.push_back(other);
	}
	r.segments[0].verdicts = {
		verdict(2s, {stalled}), verdict(4s, {}), {5s, 2, "*:81", "", "", {stalled}}};
	const auto wrong = wrong_of(r);
	ASSERT_EQ(wrong.size(), 2);
	EXPECT_TRUE(wrong[0].goes_on);
	EXPECT_FALSE(wrong[1].goes_on);
	EXPECT_TRUE(is_worse(wrong[0], wrong[1]));
	EXPECT_FALSE(is_worse(wrong[1], wrong[0]));
}

} // namespace
} // namespace lqctl
