// SPDX-License-Identifier: GPL-2.0
#include "view/prometheus.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>
#include <sstream>

using namespace lqctl;

namespace {

Listener listener(const char *address, std::uint16_t port, std::uint32_t qlen)
{
	Listener l;
	inet_pton(AF_INET, address, l.address.bytes.data());
	l.address.port = port;
	l.policy = "linux";
	l.accept_qlen = qlen;
	l.accept_qlen_peak = 10 * qlen;
	l.accept_limit = 100;
	l.drops[LISTENQ_DROP_SYN_QUEUE_FULL - 1].value = qlen;
	std::vector<std::uint64_t> counts(LISTENQ_HIST_BUCKETS);
	counts[0] = 1;
	counts[11] = qlen;
	counts[31] = 2;
	l.accept_wait =
		Histogram(Attr(LISTENQ_A_LISTENER_ACCEPT_WAIT, std::as_bytes(std::span(counts))));
	return l;
}

std::string prometheus_text(const Stats &stats, const std::vector<Listener> &listeners)
{
	Metrics metrics({"0.1", "6.12"});

	metrics.add(std::nullopt, stats, listeners);
	return metrics.text();
}

/*
 * The exposition format as its parser has it, and more strictly, as "promtool check metrics" does:
 * HELP and TYPE before, together; _total for counters alone; of a histogram _bucket with le and
 * _count, no _sum.
 */
std::map<std::string, std::string> parse(const std::string &text)
{
	static const std::regex meta("# (HELP|TYPE) ([a-z_]+) (.+)"),
		sample("([a-z_]+)(?:\\{(.*)\\})? (-?[0-9.e+-]+|\\+Inf)"),
		label("([a-z_]+)=\"((?:[^\"\\\\\n]|\\\\[\\\\\"n])*)\"(,|$)");
	std::map<std::string, std::string> samples;
	std::map<std::string, std::pair<double, double>> last_bucket; /* le and value */
	std::set<std::string> families, counted;
	std::string family, type, line;
	std::istringstream lines(text);
	std::smatch m;

	EXPECT_TRUE(text.ends_with('\n'));
	while (std::getline(lines, line)) {
		if (std::regex_match(line, m, meta)) {
			if (m[1] == "HELP") {
				EXPECT_TRUE(families.insert(m[2]).second) << line;
				family = m[2];
				type = "";
			} else {
				EXPECT_EQ(m[2], family) << line;
				EXPECT_TRUE(m[3] == "gauge" || m[3] == "counter" ||
					    m[3] == "histogram")
					<< line;
				type = m[3];
			}
			continue;
		}
		if (!std::regex_match(line, m, sample)) {
			ADD_FAILURE() << line;
			continue;
		}
		std::string labels = m[2], name = m[1], all, le;
		const bool bucket = type == "histogram" && name == family + "_bucket";
		const bool sum = type == "histogram" && name == family + "_sum";
		EXPECT_TRUE(bucket || sum || name == family + (type == "histogram" ? "_count" : ""))
			<< line;
		EXPECT_NE(type, "") << line;
		EXPECT_EQ(family.ends_with("_total"), type == "counter") << line;
		std::set<std::string> names;
		for (std::smatch l; !labels.empty(); labels = l.suffix()) {
			if (!std::regex_search(labels, l, label,
					       std::regex_constants::match_continuous)) {
				ADD_FAILURE() << line << ": " << labels;
				break;
			}
			EXPECT_TRUE(names.insert(l[1]).second) << line;
			if (l[1] == "le")
				le = l[2];
			else
				all += "," + l[1].str() + "=" + l[2].str();
		}
		EXPECT_EQ(!le.empty(), bucket) << line;
		if (type == "histogram" && !sum) {
			const double count = std::stod(m[3]);
			auto &[last_le, last_count] = last_bucket[family + all];
			if (bucket) {
				EXPECT_GT(std::stod(le), last_le) << line;
				EXPECT_GE(count, last_count) << line;
				last_le = std::stod(le);
				last_count = count;
				all += ",le=" + le;
			} else {
				EXPECT_TRUE(std::isinf(last_le)) << line;
				EXPECT_EQ(count, last_count) << line;
				counted.insert(family + all);
			}
		}
		EXPECT_TRUE(samples.emplace(name + all, m[3]).second) << "twice: " << line;
	}
	for (const auto &[name, bucket] : last_bucket)
		EXPECT_TRUE(counted.contains(name)) << name;
	return samples;
}

TEST(prometheus, every_line_is_of_the_format)
{
	Stats stats;
	stats.listeners = 2;
	auto samples = parse(
		prometheus_text(stats, {listener("10.0.0.1", 80, 3), listener("10.0.0.2", 80, 4)}));
	EXPECT_EQ(samples["listenq_listeners"], "2");
	EXPECT_EQ(
		samples["listenq_listener_accept_queue_length,address=10.0.0.1,port=80,interface="],
		"3");
	EXPECT_EQ(samples["listenq_drops_total,reason=syn_queue_full"], "0");
	EXPECT_EQ(samples["listenq_listener_drops_total,address=10.0.0.2,port=80,interface=,reason="
			  "syn_queue_full"],
		  "4");
	EXPECT_EQ(samples["listenq_listener_info,address=10.0.0.2,port=80,interface=,policy=linux,"
			  "accept_filter="],
		  "1");
}

/* One of a group ended: another has what it counted, as much less where it listens again. */
TEST(prometheus, what_ended_ones_counted)
{
	Listener l = listener("10.0.0.1", 80, 3);
	l.former_drops = zero_counters(CounterKind::drop);
	l.former_drops[LISTENQ_DROP_SYN_QUEUE_FULL - 1].value = 40;
	l.former_events = zero_counters(CounterKind::event);
	l.former_events[LISTENQ_EVENT_ACCEPTED - 1].value = 7;
	l.former_wait = l.accept_wait;
	Listener again = listener("10.0.0.1", 80, 5);
	again.former_drops = zero_counters(CounterKind::drop);
	again.former_drops[LISTENQ_DROP_SYN_QUEUE_FULL - 1].value -= 5;

	auto samples = parse(prometheus_text({}, {l, again}));
	const std::string at = ",address=10.0.0.1,port=80,interface=";
	EXPECT_EQ(samples["listenq_listener_drops_total" + at + ",reason=syn_queue_full"], "43");
	EXPECT_EQ(samples["listenq_listener_events_total" + at + ",event=accepted"], "7");
	EXPECT_EQ(samples["listenq_listener_accept_wait_seconds_count" + at], "20");
	EXPECT_FALSE(samples.contains("listenq_listener_accept_wait_seconds_sum" + at))
		<< "of an older module";
	l.accept_wait_us = 2'000'500;
	l.former_wait_us = 1'000'000;
	again.accept_wait_us = 7;
	again.former_wait_us -= 5;
	samples = parse(prometheus_text({}, {l, again}));
	EXPECT_EQ(samples["listenq_listener_accept_wait_seconds_sum" + at], "3.000502");
}

TEST(prometheus, no_listener)
{
	EXPECT_EQ(parse(prometheus_text({}, {}))["listenq_listeners"], "0");
}

TEST(prometheus, a_reuseport_group_is_one)
{
	Listener other = listener("10.0.0.1", 80, 4);
	other.policy = "aix";
	auto samples = parse(prometheus_text({}, {listener("10.0.0.1", 80, 3), other}));
	const std::string labels = ",address=10.0.0.1,port=80,interface=";
	EXPECT_EQ(samples["listenq_listener_sockets" + labels], "2");
	EXPECT_EQ(samples["listenq_listener_accept_queue_length" + labels], "7");
	EXPECT_EQ(samples["listenq_listener_accept_queue_peak" + labels], "40");
	EXPECT_EQ(samples["listenq_listener_drops_total" + labels + ",reason=syn_queue_full"], "7");
	EXPECT_EQ(samples["listenq_listener_info" + labels + ",policy=linux,accept_filter="], "1");
	EXPECT_EQ(samples["listenq_listener_info" + labels + ",policy=aix,accept_filter="], "1");
	EXPECT_EQ(samples["listenq_listener_accept_wait_seconds_bucket" + labels + ",le=1e-06"],
		  "2");
	EXPECT_EQ(samples["listenq_listener_accept_wait_seconds_bucket" + labels + ",le=0.001024"],
		  "2");
	EXPECT_EQ(samples["listenq_listener_accept_wait_seconds_bucket" + labels + ",le=0.002048"],
		  "9");
	EXPECT_EQ(samples["listenq_listener_accept_wait_seconds_bucket" + labels + ",le=+Inf"],
		  "13");
	EXPECT_EQ(samples["listenq_listener_accept_wait_seconds_count" + labels], "13");
}

TEST(prometheus, fine_buckets_come_as_powers_of_two)
{
	Listener l = listener("10.0.0.1", 80, 4), other = l;
	std::vector<std::uint64_t> counts(LISTENQ_WAIT_BUCKETS);
	counts[1] = 2;
	counts[4 * 9 + 1] = 3; /* 608 us */
	for (Listener *one : {&l, &other}) {
		one->handshake = Histogram(counts, Histogram::Scale::fine);
		one->handshake_us = 1'000'000;
	}
	l.former_handshake = Histogram(counts, Histogram::Scale::fine);
	l.former_handshake_us = 5;
	l.accept_wait = Histogram(counts, Histogram::Scale::fine);
	/* The other is of one scale only, and was there before. */
	auto samples = parse(prometheus_text({}, {l, other}));
	const std::string name = "listenq_listener_handshake_seconds",
			  at = ",address=10.0.0.1,port=80,interface=";
	EXPECT_EQ(samples[name + "_bucket" + at + ",le=1e-06"], "0");
	EXPECT_EQ(samples[name + "_bucket" + at + ",le=2e-06"], "6");
	EXPECT_EQ(samples[name + "_bucket" + at + ",le=0.000512"], "6");
	EXPECT_EQ(samples[name + "_bucket" + at + ",le=0.001024"], "15");
	EXPECT_EQ(samples[name + "_count" + at], "15");
	EXPECT_EQ(samples[name + "_sum" + at], "2.000005");
	const std::string wait = "listenq_listener_accept_wait_seconds";
	EXPECT_EQ(samples[wait + "_count" + at], "12");
	EXPECT_EQ(samples[wait + "_bucket" + at + ",le=0.001024"], "6");
	EXPECT_EQ(std::count_if(samples.begin(), samples.end(),
				[&](const auto &one) { return one.first.starts_with(name); }),
		  34)
		<< "a bounded number of series";
}

TEST(prometheus, labels_are_escaped)
{
	Listener l = listener("10.0.0.1", 80, 3);
	l.policy = "a\"b\\c\nd";
	const std::string text = prometheus_text({}, {l});
	EXPECT_NE(text.find(R"(policy="a\"b\\c\nd")"), std::string::npos);
	(void)parse(text);
}

/* Anybody may call a process so, and a reader would take nothing of the whole text. */
TEST(prometheus, labels_are_utf_8)
{
	Metrics metrics({});
	metrics.add("\xfe", {}, {listener("10.0.0.1", 80, 3)}, {{0, {.program = "x\xff\"}\n#"}}});
	const std::string text = metrics.text();

	EXPECT_NE(text.find("program=\"x\xef\xbf\xbd\\\"}\\n#\""), std::string::npos) << text;
	EXPECT_EQ(text.find('\xff'), std::string::npos);
	EXPECT_EQ(text.find('\xfe'), std::string::npos);
	(void)parse(text);
}

TEST(prometheus, releases)
{
	auto samples = parse(prometheus_text({}, {}));
	EXPECT_EQ(samples["listenq_up"], "1");
	EXPECT_EQ(samples["listenq_build_info,version=" LISTENQ_VERSION ",module=0.1,kernel=6.12"],
		  "1");
	samples = parse(Metrics::text_without_module({"", "6.12"}));
	EXPECT_EQ(samples["listenq_up"], "0");
	EXPECT_EQ(samples["listenq_build_info,version=" LISTENQ_VERSION ",module=,kernel=6.12"],
		  "1");
	EXPECT_FALSE(samples.contains("listenq_listeners"));
}

/* One line for each address and port, so that others can be joined with it. */
TEST(prometheus, owners)
{
	Listener one = listener("10.0.0.1", 80, 3), other = one,
		 third = listener("10.0.0.2", 80, 3);
	one.inode = 1;
	other.inode = 2;
	third.inode = 3;
	Metrics metrics({});
	metrics.add(std::nullopt, {}, {one, other, third},
		    {{1, {"nginx", "/system.slice/a.service", "a.service", ""}},
		     {2, {"nginx", "/system.slice/b.service", "b.service", ""}}});
	auto samples = parse(metrics.text());
	EXPECT_EQ(samples["listenq_listener_owner_info,address=10.0.0.1,port=80,interface=,program="
			  "nginx,unit=,cgroup=,pod="],
		  "1");
	EXPECT_EQ(samples["listenq_listener_owner_info,address=10.0.0.2,port=80,interface=,program="
			  ",unit=,cgroup=,pod="],
		  "1");
}

TEST(prometheus, namespaces)
{
	Stats few, many;
	few.listeners = 1;
	many.listeners = 7;
	many.drops[0].value = 5;
	Metrics metrics({});
	metrics.add("", few, {listener("10.0.0.1", 80, 3)});
	metrics.add("blue", many, {listener("10.0.0.1", 80, 4)});
	auto samples = parse(metrics.text());
	EXPECT_EQ(samples["listenq_listeners,netns="], "1");
	EXPECT_EQ(samples["listenq_listeners,netns=blue"], "7");
	EXPECT_EQ(samples["listenq_drops_total,netns=blue,reason=" + many.drops[0].name], "5");
	const std::string at = "address=10.0.0.1,port=80,interface=";
	EXPECT_EQ(samples["listenq_listener_accept_queue_length,netns=," + at], "3");
	EXPECT_EQ(samples["listenq_listener_accept_queue_length,netns=blue," + at], "4");
}

TEST(prometheus, there_is_a_limit)
{
	Metrics metrics({}, 2);
	metrics.add(std::nullopt, {},
		    {listener("10.0.0.1", 9000, 1), listener("10.0.0.1", 80, 2),
		     listener("10.0.0.1", 443, 3)});
	auto samples = parse(metrics.text());
	EXPECT_EQ(samples["listenq_listeners_left_out"], "1");
	EXPECT_TRUE(
		samples.contains("listenq_listener_sockets,address=10.0.0.1,port=80,interface="));
	EXPECT_TRUE(
		samples.contains("listenq_listener_sockets,address=10.0.0.1,port=443,interface="));
	EXPECT_FALSE(
		samples.contains("listenq_listener_sockets,address=10.0.0.1,port=9000,interface="));
	EXPECT_EQ(parse(prometheus_text({}, {}))["listenq_listeners_left_out"], "0");
}

} // namespace
