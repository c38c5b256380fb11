// SPDX-License-Identifier: GPL-2.0
#include "report/recording.hh"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/listenq.h>

#include <set>
#include <sstream>

#include "base/error.hh"
#include "wire/message.hh"

using namespace lqctl;
using lqctl::testing::Message;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t begin_ns = 1763721062'000'000'000;

std::string header()
{
	return header_line(begin_ns, 1s, {":80"});
}

Listener listener()
{
	Message m;
	std::vector<std::uint64_t> wait(LISTENQ_HIST_BUCKETS);
	wait[3] = 4;
	m.u64(LISTENQ_A_LISTENER_ID, 7)
		.bytes(LISTENQ_A_LISTENER_ADDR, {127, 0, 0, 1})
		.u16(LISTENQ_A_LISTENER_PORT, 8080)
		.text(LISTENQ_A_LISTENER_POLICY, "linux")
		.u32(LISTENQ_A_LISTENER_BACKLOG_ASKED, static_cast<std::uint32_t>(-1))
		.u32(LISTENQ_A_LISTENER_BACKLOG, 4096)
		.u32(LISTENQ_A_LISTENER_ACCEPT_QLEN, 10)
		.u32(LISTENQ_A_LISTENER_ACCEPT_LIMIT, 4097)
		.u32(LISTENQ_A_LISTENER_SYN_QLEN, 12)
		.u32(LISTENQ_A_LISTENER_SYN_LIMIT, 14)
		.u32(LISTENQ_A_LISTENER_FILTER_QLEN, 3)
		.nest(LISTENQ_A_LISTENER_DROPS, [&] { m.u64(LISTENQ_DROP_LSM, 20); })
		.nest(LISTENQ_A_LISTENER_EVENTS, [&] { m.u64(LISTENQ_EVENT_ACCEPTED, 21); })
		.u64s(LISTENQ_A_LISTENER_ACCEPT_WAIT, wait);
	return parse_listener(m.attributes());
}

Recording read(const std::string &text)
{
	std::istringstream in(text);
	return read_recording(in, "FILE");
}

std::string error_of(const std::string &text)
{
	try {
		(void)read(text);
	} catch (const Error &error) {
		return error.what();
	}
	return "";
}

TEST(recording, header__is_one_line)
{
	EXPECT_EQ(header(),
		  "{\"type\":\"listenq-recording\",\"version\":1,\"lqctl\":\"" LISTENQ_VERSION "\","
		  "\"time\":\"2025-11-21T10:31:02.000Z\",\"time_ns\":1763721062000000000,"
		  "\"interval_us\":1000000,\"filters\":[\":80\"]}\n");
}

TEST(recording, host_and_verdicts)
{
	const RecordedVerdict wrong{
		5s,
		7,
		"127.0.0.1:8080",
		"nginx",
		"nginx.service",
		{{"backlog_small",
		  "problem",
		  "the accept queue was full",
		  {"lqctl set -l :8080 backlog=128", "LISTENQ=128 lqrun nginx"}}}},
		fine{9s, 7, "127.0.0.1:8080", "nginx", "", {}};
	const Recording r =
		read(header_line(begin_ns, 1s, {}, "web1") + verdict_line(5s, {wrong, fine}) +
		     verdict_line(9s, {fine}) + sample_line(10s, true, {listener()}));

	EXPECT_EQ(r.segments[0].host, "web1");
	ASSERT_EQ(r.segments[0].verdicts.size(), 3u);
	const RecordedVerdict &first = r.segments[0].verdicts[0];
	EXPECT_EQ(first.elapsed, 5s);
	EXPECT_EQ(first.id, 7u);
	EXPECT_EQ(first.local, wrong.local);
	EXPECT_EQ(first.program, "nginx");
	EXPECT_EQ(first.unit, "nginx.service");
	EXPECT_EQ(first.findings, wrong.findings);
	EXPECT_TRUE(r.segments[0].verdicts[2].findings.empty());
	EXPECT_EQ(r.damaged, 0u);
	/* Of older ones. */
	EXPECT_EQ(read(header() + sample_line(1s, true, {})).segments[0].host, "");
	EXPECT_EQ(read(header() + "{\"type\":\"verdict\",\"elapsed_us\":1,\"listeners\":[{}]}\n" +
		       sample_line(1s, true, {}))
			  .damaged,
		  1u);
	const auto finding = [](const std::string &more) {
		return read(
			header() +
			R"({"type":"verdict","elapsed_us":1,"listeners":[{"id":1,"local":"a",)" +
			R"("program":"","unit":"","findings":[{"code":"a","severity":"note",)" +
			R"("text":"b")" + more + "}]}]}\n" + sample_line(1s, true, {}));
	};
	const Recording older = finding("");
	ASSERT_EQ(older.segments[0].verdicts.size(), 1u);
	EXPECT_TRUE(older.segments[0].verdicts[0].findings.at(0).commands.empty());
	EXPECT_EQ(finding(R"(,"commands":["c","d"])")
			  .segments[0]
			  .verdicts.at(0)
			  .findings.at(0)
			  .commands,
		  (std::vector<std::string>{"c", "d"}));
	for (const char *value : {"1", "\"c\"", "[1]", "[[\"c\"]]", "null"})
		EXPECT_EQ(finding(fmt::format(",\"commands\":{}", value)).damaged, 1u) << value;
}

TEST(recording, what_was_written_is_read)
{
	Event event;
	event.type = "overflow_began";
	event.listener = 7;
	event.reason = "accept_queue_full_syn";
	event.count = 3;
	const Recording r = read(header() + sample_line(1500ms, true, {listener()}) +
				 event_line(1600ms, event) + sample_line(2s, false, {}) +
				 end_line(2s, "signal"));
	ASSERT_EQ(r.segments.size(), 1u);
	const Segment &s = r.segments[0];
	EXPECT_EQ(s.time_ns, static_cast<std::int64_t>(begin_ns));
	EXPECT_EQ(s.interval, 1s);
	EXPECT_EQ(s.end, "signal");
	EXPECT_EQ(r.damaged, 0u);
	ASSERT_EQ(s.samples.size(), 2u);
	EXPECT_EQ(s.samples[0].elapsed, 1500ms);
	EXPECT_TRUE(s.samples[0].complete);
	EXPECT_FALSE(s.samples[1].complete);
	ASSERT_EQ(s.samples[0].listeners.size(), 1u);
	const RecordedListener &o = s.samples[0].listeners[0];
	EXPECT_EQ(o.id, 7u);
	EXPECT_EQ(o.local, "127.0.0.1:8080");
	EXPECT_EQ(o.policy, "linux");
	EXPECT_EQ(o.backlog_asked, -1);
	EXPECT_EQ(o.backlog, 4096u);
	EXPECT_EQ(o.accept_qlen, 10u);
	EXPECT_EQ(o.filter_qlen, 3u);
	EXPECT_EQ(o.syn_limit, 14u);
	ASSERT_EQ(o.drops.size(), 1u);
	EXPECT_EQ(r.names[o.drops[0].first], "lsm");
	EXPECT_EQ(o.drops[0].second, 20u);
	EXPECT_EQ(r.names[o.events[0].first], "accepted");
	EXPECT_EQ(o.accept_wait, (std::vector<std::uint64_t>{0, 0, 0, 4}));
	EXPECT_TRUE(o.accept_wait_fine.empty()) << "of an older module";
	EXPECT_TRUE(o.handshake.empty());
	ASSERT_EQ(s.events.size(), 1u);
	EXPECT_EQ(s.events[0].type, "overflow_began");
	EXPECT_EQ(s.events[0].reason, "accept_queue_full_syn");
	EXPECT_EQ(s.events[0].count, 3u);
}

TEST(recording, of_an_older_lqctl__later_numbers_are_0)
{
	auto object = nlohmann::json::parse(sample_line(1s, true, {listener()}));
	for (const char *later : {"filter_qlen", "filter_limit"})
		EXPECT_EQ(object["listeners"][0].erase(later), 1u) << later;
	const Recording r = read(header() + object.dump() + '\n');
	EXPECT_EQ(r.damaged, 0u);
	const RecordedListener &o = r.segments[0].samples[0].listeners[0];
	EXPECT_EQ(o.syn_limit, 14u);
	EXPECT_EQ(o.filter_limit, 0u);
}

TEST(recording, cut_anywhere__what_is_whole_is_there)
{
	const std::string all = header() + sample_line(1s, true, {listener()}) +
				sample_line(2s, true, {listener()}) + end_line(2s, "signal");
	const std::size_t first = header().size();
	for (std::size_t size = first; size < all.size(); size++) {
		const Recording r = read(all.substr(0, size));
		EXPECT_EQ(r.damaged, 0u) << size;
		const auto lines = static_cast<std::size_t>(
			std::count(all.begin(), all.begin() + static_cast<long>(size), '\n'));
		/* A last line without its newline may be whole. */
		EXPECT_GE(r.samples(), std::min<std::size_t>(lines, 3) - 1) << size;
	}
}

TEST(recording, one_after_another)
{
	const Recording r = read(header() + sample_line(1s, true, {}) + "{\"type\":\"samp\n" +
				 header() + sample_line(500ms, true, {}));
	ASSERT_EQ(r.segments.size(), 2u);
	/* The line that was cut when the first ended. */
	EXPECT_EQ(r.damaged, 0u);
	EXPECT_EQ(r.segments[1].samples.size(), 1u);
}

TEST(recording, damaged_lines_are_counted)
{
	const std::string good = sample_line(1s, true, {listener()});
	for (const char *bad : {
		     "nonsense",
		     "[]",
		     "1",
		     "{}",
		     "{\"type\":1}",
		     "{\"type\":\"sample\"}",
		     R"({"type":"sample","elapsed_us":-1,"listeners":[]})",
		     R"({"type":"sample","elapsed_us":1e30,"listeners":[]})",
		     R"({"type":"sample","elapsed_us":18446744073709551615,"listeners":[]})",
		     R"({"type":"sample","elapsed_us":1,"listeners":{}})",
		     R"({"type":"sample","elapsed_us":1,"complete":"x","listeners":[]})",
		     R"({"type":"sample","elapsed_us":1,"listeners":[7]})",
		     R"({"type":"sample","elapsed_us":1,"listeners":[{"id":-7}]})",
		     R"({"type":"event","elapsed_us":1})",
		     R"({"type":"event","elapsed_us":1,"event":"x","id":7})",
		     R"({"type":"end","elapsed_us":1})",
	     }) {
		const Recording r = read(header() + bad + '\n' + good);
		EXPECT_EQ(r.damaged, 1u) << bad;
		EXPECT_EQ(r.samples(), 1u) << bad;
	}
	/* A member at a time: none may be missing or of another type. */
	const auto object = nlohmann::json::parse(good);
	const std::set<std::string> later{
#define LATER(attribute, NAME, name, place, metric, text) #name,
		LISTENQ_NUMBERS_LATER(LATER)
#undef LATER
	};
	for (const auto &[name, value] : object["listeners"][0].items()) {
		if (later.contains(name)) /* not in what an older lqctl recorded */
			continue;
		auto without = object, other = object;
		without["listeners"][0].erase(name);
		other["listeners"][0][name] = nullptr;
		for (const auto &bad : {without, other})
			EXPECT_EQ(read(header() + bad.dump() + '\n' + good).damaged, 1u) << bad;
	}
}

TEST(recording, time_that_goes_back_is_damage)
{
	const Recording r = read(header() + sample_line(2s, true, {}) + sample_line(1s, true, {}) +
				 sample_line(3s, true, {}));
	EXPECT_EQ(r.damaged, 1u);
	EXPECT_EQ(r.samples(), 2u);
}

TEST(recording, lines_of_a_later_lqctl_are_passed_over)
{
	const Recording r = read(header() + "{\"type\":\"weather\"}\n" + sample_line(1s, true, {}));
	EXPECT_EQ(r.damaged, 0u);
	EXPECT_EQ(r.samples(), 1u);
}

TEST(recording, what_is_none)
{
	EXPECT_EQ(error_of(""), "FILE is empty: nothing was recorded");
	EXPECT_EQ(error_of("\n \n"), "FILE is empty: nothing was recorded");
	for (const std::string &text :
	     {std::string("\x7f"
			  "ELF\0\0",
			  6),
	      std::string("<html>"), std::string("{}"), sample_line(1s, true, {})})
		EXPECT_NE(error_of(text).find("is no recording of lqctl"), std::string::npos);
}

TEST(recording, another_version)
{
	std::string text = header();
	text.replace(text.find("\"version\":1"), 11, "\"version\":2");
	EXPECT_NE(error_of(text).find("format 2"), std::string::npos);
	/* Later in the file, too. */
	EXPECT_NE(error_of(header() + text).find("format 2"), std::string::npos);
}

TEST(recording, a_header_that_makes_no_sense)
{
	for (const char *interval : {"0", "-5", "9e99", "\"x\""}) {
		std::string text = header();
		text.replace(text.find("1000000,\"filters"), 7, interval);
		EXPECT_THROW((void)read(text), Error) << interval;
	}
}

TEST(recording, fine_buckets_and_back)
{
	Listener l = listener();
	std::vector<std::uint64_t> wait(LISTENQ_WAIT_BUCKETS), handshake(LISTENQ_WAIT_BUCKETS);
	wait[20] = 4; /* 32 us */
	handshake[1] = 2;
	l.accept_wait = Histogram(wait, Histogram::Scale::fine);
	l.handshake = Histogram(handshake, Histogram::Scale::fine);
	const std::string line = sample_line(0s, true, {l});
	wait.resize(21);
	const RecordedListener o = read(header() + line).segments[0].samples[0].listeners[0];
	EXPECT_EQ(o.accept_wait, (std::vector<std::uint64_t>{0, 0, 0, 0, 0, 0, 4}))
		<< "an older lqctl reads it, too";
	EXPECT_EQ(o.accept_wait_fine, wait);
	EXPECT_EQ(o.handshake, (std::vector<std::uint64_t>{0, 2}));
	/* Of more than there are it makes nothing. */
	const std::string good = "\"handshake\":[0,2]";
	std::string bad = line;
	std::string many = "\"handshake\":[0";
	for (unsigned i = 0; i < LISTENQ_WAIT_BUCKETS; i++)
		many += ",0";
	bad.replace(bad.find(good), good.size(), many + "]");
	EXPECT_EQ(read(header() + bad + end_line(1s, "signal")).damaged, 1u);
}

} // namespace
