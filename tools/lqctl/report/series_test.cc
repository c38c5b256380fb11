// SPDX-License-Identifier: GPL-2.0
#include "report/series.hh"

#include <gtest/gtest.h>

using namespace lqctl;
using namespace std::chrono_literals;

namespace {

/* Names of counters: 0 and 1 are events, 2 and 3 are drops. */
Recording recording(std::initializer_list<Microseconds> times = {})
{
	Recording r;
	r.names = {"syn_received", "accepted", "lsm", "no_route"};
	r.segments.push_back({1'000'000'000, 1s, "0", {}, {}, ""});
	for (const Microseconds time : times)
		r.segments[0].samples.push_back({time, true, {}});
	return r;
}

RecordedListener listener(std::uint64_t id, std::uint64_t syns, std::uint64_t drops = 0)
{
	RecordedListener o;
	o.id = id;
	o.local = "*:80";
	o.accept_limit = 9;
	if (syns)
		o.events = {{0, syns}};
	if (drops)
		o.drops = {{2, drops}};
	return o;
}

std::vector<std::uint64_t> syns(const Timeline &t, const Series &s)
{
	std::vector<std::uint64_t> all;
	for (const Cell &cell : s.cells)
		all.push_back(t.count(cell.events, "syn_received"));
	return all;
}

TEST(series, added)
{
	EXPECT_EQ(added(NamedCounters{}, NamedCounters{{1, 5}}), (NamedCounters{{1, 5}}));
	EXPECT_EQ(added(NamedCounters{{1, 5}}, NamedCounters{{0, 1}, {1, 5}, {2, 3}}),
		  (NamedCounters{{0, 1}, {2, 3}}));
	using Wait = std::vector<std::uint64_t>;
	EXPECT_EQ(added(Wait{1, 2}, Wait{1, 5, 6}), (Wait{0, 3, 6}));
}

TEST(series, went_back)
{
	EXPECT_FALSE(went_back(listener(1, 5), listener(1, 5)));
	EXPECT_TRUE(went_back(listener(1, 5), listener(1, 4)));
	EXPECT_TRUE(went_back(listener(1, 5, 1), listener(1, 9)));
}

TEST(series, percentile)
{
	EXPECT_EQ(percentile_us({}, 50), 0u);
	EXPECT_EQ(percentile_us({0, 0}, 50), 0u);
	EXPECT_EQ(percentile_us({1}, 50), 1u);
	EXPECT_EQ(percentile_us({0, 0, 0, 7}, 99), 8u);
	EXPECT_EQ(percentile_us({50, 0, 50}, 50), 1u);
	EXPECT_EQ(percentile_us({50, 0, 50}, 51), 4u);
	EXPECT_EQ(percentile_us({0, 99, 0, 0, 1}, 99), 2u);
	std::vector<std::uint64_t> last(32);
	last[31] = 1;
	EXPECT_EQ(percentile_us(last, 50), ~std::uint64_t{0});
}

TEST(series, columns_hold_what_was_added)
{
	Recording r = recording({0s, 1s, 2s});
	for (std::size_t i = 0; i < 3; i++)
		r.segments[0].samples[i].listeners.push_back(listener(1, 100 + i * i * 10, i));
	const Timeline t = make_timeline(r, 100);
	ASSERT_EQ(t.columns.size(), 2u);
	EXPECT_EQ(t.columns[1].begin_us, 1'000'000);
	EXPECT_EQ(t.columns[1].end_us, 2'000'000);
	ASSERT_EQ(t.listeners.size(), 1u);
	const Series &s = t.listeners[0];
	EXPECT_EQ(syns(t, s), (std::vector<std::uint64_t>{10, 30}));
	EXPECT_EQ(s.cells[1].covered_us, 1'000'000);
	/* Not the 100 that were there before. */
	EXPECT_EQ(t.count(s.events, "syn_received"), 40u);
	EXPECT_EQ(total(s.drops), 2u);
	EXPECT_FALSE(s.came || s.went);
}

TEST(series, many_samples_share_a_column)
{
	Recording r = recording();
	for (std::uint64_t i = 0; i <= 1000; i++) {
		RecordedListener o = listener(1, i);
		o.accept_qlen = i == 333 ? 9 : 1;
		r.segments[0].samples.push_back({Microseconds(i * 1'000'000), true, {o}});
	}
	const Timeline t = make_timeline(r, 100);
	EXPECT_EQ(t.samples_per_column, 10u);
	EXPECT_EQ(t.columns.size(), 100u);
	EXPECT_EQ(syns(t, t.listeners[0]), (std::vector<std::uint64_t>(100, 10)));
	EXPECT_EQ(t.listeners[0].cells[33].accept_qlen, 9u);
	EXPECT_EQ(t.listeners[0].cells[34].accept_qlen, 1u);
	EXPECT_EQ(t.listeners[0].accept_max, 9u);
}

TEST(series, a_listener_that_comes__counts_from_nothing)
{
	Recording r = recording({0s, 1s, 2s});
	r.segments[0].samples[1].listeners = {listener(5, 7)};
	r.segments[0].samples[2].listeners = {listener(5, 9)};
	const Timeline t = make_timeline(r, 100);
	EXPECT_EQ(syns(t, t.listeners[0]), (std::vector<std::uint64_t>{7, 2}));
	EXPECT_TRUE(t.listeners[0].came);
	EXPECT_FALSE(t.listeners[0].went);
}

TEST(series, a_listener_that_an_incomplete_sample_left_out__does_not_come)
{
	Recording r = recording({0s, 1s});
	r.segments[0].samples[0].complete = false;
	r.segments[0].samples[1].listeners = {listener(5, 700)};
	const Timeline t = make_timeline(r, 100);
	EXPECT_EQ(syns(t, t.listeners[0]), (std::vector<std::uint64_t>{0}));
	EXPECT_FALSE(t.listeners[0].came);
}

TEST(series, a_listener_that_goes)
{
	Recording r = recording({0s, 1s, 2s, 3s});
	r.segments[0].samples[0].listeners = {listener(5, 7)};
	r.segments[0].samples[1].listeners = {listener(5, 9)};
	const Timeline t = make_timeline(r, 100);
	const Series &s = t.listeners[0];
	EXPECT_TRUE(s.went);
	EXPECT_EQ(s.end_us, 1'000'000);
	EXPECT_TRUE(s.cells[0].sampled);
	EXPECT_FALSE(s.cells[1].sampled);
	EXPECT_EQ(s.cells[1].covered_us, 0);
}

TEST(series, a_sample_that_left_one_out__loses_nothing)
{
	Recording r = recording({0s, 1s, 2s});
	r.segments[0].samples[0].listeners = {listener(5, 10)};
	r.segments[0].samples[1].complete = false;
	r.segments[0].samples[2].listeners = {listener(5, 30)};
	const Timeline t = make_timeline(r, 100);
	EXPECT_EQ(syns(t, t.listeners[0]), (std::vector<std::uint64_t>{0, 20}));
	EXPECT_EQ(t.listeners[0].cells[1].covered_us, 2'000'000);
}

TEST(series, counters_that_begin_anew)
{
	Recording r = recording({0s, 1s, 2s});
	r.segments[0].samples[0].listeners = {listener(1, 100, 5)};
	r.segments[0].samples[1].listeners = {listener(1, 3)};
	r.segments[0].samples[2].listeners = {listener(1, 8)};
	const Timeline t = make_timeline(r, 100);
	EXPECT_EQ(t.listeners[0].resets, 1u);
	EXPECT_EQ(syns(t, t.listeners[0]), (std::vector<std::uint64_t>{3, 5}));
	EXPECT_EQ(total(t.listeners[0].drops), 0u);
}

TEST(series, gaps_are_columns_of_their_own)
{
	Recording r = recording({0s, 1s, 3500ms, 6010ms, 7s});
	const Timeline t = make_timeline(r, 2);
	ASSERT_EQ(t.columns.size(), 3u);
	EXPECT_FALSE(t.columns[0].gap); /* 2.5 times the interval is none */
	EXPECT_TRUE(t.columns[1].gap);
	EXPECT_EQ(t.columns[1].begin_us, 3'500'000);
	EXPECT_EQ(t.columns[1].end_us, 6'010'000);
	EXPECT_FALSE(t.columns[2].gap);
}

TEST(series, segments__nothing_is_counted_between_them)
{
	Recording r = recording({0s, 1s});
	r.segments.push_back(r.segments[0]);
	r.segments[1].time_ns += 60'000'000'000;
	r.segments[0].samples[0].listeners = {listener(1, 10)};
	r.segments[0].samples[1].listeners = {listener(1, 20)};
	r.segments[1].samples[0].listeners = {listener(1, 1000)};
	r.segments[1].samples[1].listeners = {listener(1, 1005)};
	const Timeline t = make_timeline(r, 100);
	ASSERT_EQ(t.columns.size(), 3u);
	EXPECT_TRUE(t.columns[1].gap);
	EXPECT_EQ(t.columns[2].begin_us, 60'000'000);
	EXPECT_EQ(syns(t, t.listeners[0]), (std::vector<std::uint64_t>{10, 0, 5}));
	EXPECT_EQ(t.listeners[0].resets, 0u);
	EXPECT_FALSE(t.listeners[0].came);
}

TEST(series, segments__a_clock_that_went_back)
{
	Recording r = recording({0s, 5s});
	r.segments.push_back(r.segments[0]);
	r.segments[1].time_ns -= 1'000'000'000;
	const Timeline t = make_timeline(r, 100);
	for (std::size_t i = 0; i < t.columns.size(); i++) {
		EXPECT_LE(t.columns[i].begin_us, t.columns[i].end_us);
		EXPECT_GE(t.columns[i].begin_us, i ? t.columns[i - 1].end_us : 0);
	}
	EXPECT_EQ(t.end_us, 10'000'000);
}

TEST(series, peaks__only_what_rose_in_the_column)
{
	Recording r = recording({0s, 1s, 2s});
	for (auto &sample : r.segments[0].samples) {
		sample.listeners = {listener(1, 1)};
		sample.listeners[0].accept_qlen_peak = 5;
	}
	r.segments[0].samples[2].listeners[0].accept_qlen_peak = 8;
	const Timeline t = make_timeline(r, 100);
	EXPECT_EQ(t.listeners[0].cells[0].accept_peak, 0u);
	EXPECT_EQ(t.listeners[0].cells[1].accept_peak, 8u);
	EXPECT_EQ(t.listeners[0].accept_max, 8u);
}

TEST(series, overflows)
{
	Recording r = recording({0s, 10s});
	r.segments[0].samples[0].listeners = {listener(1, 0)};
	auto add_event = [&](Microseconds when, const char *type, std::uint64_t count = 0) {
		r.segments[0].events.push_back({when, type, 1, "*:80", "", 0, 0, count});
	};
	add_event(1s, "overflow_ended", 4); /* had begun before */
	add_event(2s, "overflow_began");
	add_event(3s, "overflow_ended", 5);
	add_event(8s, "overflow_began"); /* and goes on */
	const Timeline t = make_timeline(r, 100);
	const auto &o = t.listeners[0].overflows;
	ASSERT_EQ(o.size(), 3u);
	EXPECT_EQ(std::pair(o[0].begin_us, o[0].end_us), std::pair(0L, 1'000'000L));
	EXPECT_EQ(o[0].count, 4u);
	EXPECT_EQ(std::pair(o[1].begin_us, o[1].end_us), std::pair(2'000'000L, 3'000'000L));
	EXPECT_EQ(std::pair(o[2].begin_us, o[2].end_us), std::pair(8'000'000L, 10'000'000L));
	EXPECT_TRUE(o[2].open);
	EXPECT_FALSE(o[1].open);
}

TEST(series, one_sample)
{
	Recording r = recording({0s});
	r.segments[0].samples[0].listeners = {listener(1, 10)};
	const Timeline t = make_timeline(r, 100);
	EXPECT_EQ(t.columns.size(), 1u);
	EXPECT_EQ(syns(t, t.listeners[0]), (std::vector<std::uint64_t>{0}));
	EXPECT_TRUE(t.listeners[0].cells[0].sampled);
}

TEST(series, the_busiest_first)
{
	Recording r = recording({0s, 1s});
	r.segments[0].samples[0].listeners = {listener(1, 0), listener(2, 0), listener(3, 0)};
	r.segments[0].samples[1].listeners = {listener(1, 5), listener(2, 9), listener(3, 1, 1)};
	const Timeline t = make_timeline(r, 100);
	EXPECT_EQ(t.listeners[0].id, 3u);
	EXPECT_EQ(t.listeners[1].id, 2u);
	EXPECT_EQ(t.listeners[2].id, 1u);
}

TEST(series, percentile_text)
{
	std::vector<std::uint64_t> coarse(32), fine(LISTENQ_WAIT_BUCKETS);
	coarse[11] = 8;
	fine[4 * 10 + 1] = 8; /* 1216 us */
	EXPECT_EQ(percentile_text(coarse, fine, 50), "1.3 ms");
	EXPECT_EQ(percentile_text(coarse, {}, 50), "< 2 ms") << "of an older recording";
	coarse[11] = 9;
	EXPECT_EQ(percentile_text(coarse, fine, 50), "< 2 ms") << "some of it is older";
	EXPECT_EQ(percentile_text({}, {}, 50), "-");
}

TEST(series, fine_buckets_are_added_up)
{
	Recording r;
	r.segments.resize(1);
	r.segments[0].interval = 1s;
	for (std::uint64_t i = 1; i <= 3; i++) {
		RecordedListener o;
		o.id = 1;
		o.local = "*:80";
		o.accept_wait = {i};
		o.accept_wait_fine = {i};
		o.handshake = {0, 10 * i};
		r.segments[0].samples.push_back({Microseconds(i * 1'000'000), true, {o}});
	}
	const Timeline t = make_timeline(r, 100);
	ASSERT_EQ(t.listeners.size(), 1u);
	EXPECT_EQ(t.listeners[0].accept_wait_fine, t.listeners[0].accept_wait);
	EXPECT_EQ(t.listeners[0].handshake, (std::vector<std::uint64_t>{0, 20}))
		<< "since the first sample";
}

} // namespace
