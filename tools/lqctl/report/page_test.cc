// SPDX-License-Identifier: GPL-2.0
#include "report/page.hh"

#include <gtest/gtest.h>

#include <set>

using namespace lqctl;
using namespace std::chrono_literals;

namespace {

Recording recording(std::uint64_t samples)
{
	Recording r;
	r.names = {"syn_received", "accepted", "accept_queue_full_syn", "drop_99"};
	r.segments.push_back({1763721062'000'000'000, 1s, "0.1", {}, {}, "signal"});
	for (std::uint64_t i = 0; i < samples; i++) {
		RecordedListener o;
		o.id = 1;
		o.local = "*:80";
		o.policy = "linux";
		o.backlog = 8;
		o.backlog_asked = 8;
		o.accept_qlen = i % 10;
		o.accept_limit = 9;
		o.syn_limit = 256;
		o.syn_qlen = i % 3;
		o.events = {{0, 10 * i + 1}, {1, i + 1}};
		o.drops = {{2, i + 1}, {3, 2 * i + 1}};
		o.accept_wait = {i, 0, 2 * i};
		r.segments[0].samples.push_back({Microseconds(i * 1'000'000), true, {o}});
	}
	return r;
}

std::string page(const Recording &r)
{
	return report_page({{"web1", &r, make_timeline(r, 200)}}, "A report");
}

/* The value of an attribute, or nothing. */
std::string attribute(const std::string &tag, const std::string &name)
{
	const std::size_t at = tag.find(' ' + name + "=\"");
	if (at == std::string::npos)
		return {};
	const std::size_t begin = at + name.size() + 3;
	return tag.substr(begin, tag.find('"', begin) - begin);
}

/* Elements open and close in order, and each id is there once. */
void expect_well_formed(const std::string &html)
{
	std::vector<std::string> open, wanted;
	std::set<std::string> ids;
	std::string body = html;

	const std::size_t style = body.find("<style>");
	body.erase(style, body.find("</style>") + 8 - style);
	body.erase(0, body.find('\n'));
	for (std::size_t at = body.find('<'); at != std::string::npos;
	     at = body.find('<', at + 1)) {
		const std::string tag = body.substr(at + 1, body.find('>', at) - at - 1);
		const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
		if (tag.starts_with('/')) {
			ASSERT_FALSE(open.empty()) << tag;
			ASSERT_EQ('/' + open.back(), tag);
			open.pop_back();
			continue;
		}
		if (!tag.ends_with('/') && name != "meta")
			open.push_back(name);
		if (const std::string id = attribute(tag, "id"); !id.empty()) {
			EXPECT_TRUE(ids.insert(id).second) << id;
		}
		if (const std::string id = attribute(tag, "aria-labelledby"); !id.empty())
			wanted.push_back(id.substr(0, id.find(' ')));
	}
	EXPECT_TRUE(open.empty()) << open.back();
	for (const std::string &id : wanted)
		EXPECT_TRUE(ids.contains(id)) << id;
	EXPECT_EQ(body.find("nan"), std::string::npos);
	EXPECT_EQ(body.find("inf\""), std::string::npos);
}

/* No address but fragments, no script, nothing that is loaded. */
void expect_self_contained(const std::string &html)
{
	EXPECT_TRUE(html.starts_with("<!DOCTYPE html>"));
	for (const char *word : {"<script", "http:", "https:", "src=", "@import", "url(", "<link"})
		EXPECT_EQ(html.find(word), std::string::npos) << word;
	EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
}

TEST(page, figures_and_tables)
{
	const std::string html = page(recording(30));
	expect_well_formed(html);
	expect_self_contained(html);
	for (const char *words :
	     {"<h1>A report</h1>", "Accept queue", "SYN queue", "Connections per second",
	      "Drops per second", "Waited for accept()", "limit 9", "accept_queue_full_syn",
	      /* The difference of the last and the first. */
	      "<td class=\"l\">syn_received</td><td>290</td>",
	      "<td class=\"l\">drop_99</td><td>58</td>", "SYN: the accept queue is full"})
		EXPECT_NE(html.find(words), std::string::npos) << words;
}

/* Its verdict comes first; what is over is told from what goes on. */
TEST(page, opens_with_what_is_wrong)
{
	Recording r = recording(30);
	const RecordedFinding stalled{
		"accept_stalled", "problem", "nobody <accepts>", {"kill -CONT 7", "a <b"}},
		note{"past", "note", "long ago"};
	r.segments[0].verdicts = {{1s, 1, "*:80", "nginx", "nginx.service", {stalled, note}}};
	std::string html = page(r);
	expect_well_formed(html);
	expect_self_contained(html);
	EXPECT_LT(html.find("What is wrong"), html.find("class=\"tiles\""));
	for (const char *words :
	     {"<b>accept_stalled</b> <i>since 10:31:03:</i> nobody &lt;accepts&gt;"
	      "<code>kill -CONT 7</code><code>a &lt;b</code></span>",
	      "problem, goes on", "nginx, nginx.service", "<a href=\"#l0\">*:80</a>"})
		EXPECT_NE(html.find(words), std::string::npos) << words;
	EXPECT_EQ(html.find("long ago"), std::string::npos);
	r.segments[0].verdicts.push_back({9s, 1, "*:80", "nginx", "nginx.service", {note}});
	html = page(r);
	EXPECT_NE(html.find("<b>accept_stalled</b> <i>10:31:03 to 10:31:11:</i>"),
		  std::string::npos);
	EXPECT_EQ(html.find("goes on"), std::string::npos);
}

TEST(page, nothing_is_wrong)
{
	Recording r = recording(30);
	for (Sample &sample : r.segments[0].samples) {
		sample.listeners[0].drops.clear();
		sample.listeners[0].accept_qlen = 1;
	}
	EXPECT_NE(page(r).find("<p>Nothing: nobody was refused"), std::string::npos);
	/* Recorded before lqctl wrote verdicts: the counters speak. */
	EXPECT_NE(page(recording(30)).find("see its drops"), std::string::npos);
}

/* Machines with the same addresses; the worst first, whatever its machine. */
TEST(page, several_machines)
{
	Recording bad = recording(30), good = recording(30);
	for (Sample &sample : good.segments[0].samples) {
		sample.listeners[0].drops.clear();
		sample.listeners[0].accept_qlen = 9;
	}
	const std::string html = report_page({{"a<1>", &good, make_timeline(good, 200)},
					      {"web2", &bad, make_timeline(bad, 200)}},
					     "A report");
	expect_well_formed(html);
	expect_self_contained(html);
	const std::size_t worst = html.find("<a href=\"#h1l0\">"),
			  other = html.find("<a href=\"#h0l0\">");
	ASSERT_NE(worst, std::string::npos);
	ASSERT_NE(other, std::string::npos);
	EXPECT_LT(worst, other);
	for (const char *words : {"2 machines", "<h2 class=\"host\" id=\"h0\">a&lt;1&gt;</h2>",
				  "id=\"h1l0\"", "style=\"--s0:1;--s1:1;--s2:1;--s3:1;--s4:2;\"",
				  "style=\"--s0:2;--s1:2;--s2:2;--s3:2;--s4:1;\""})
		EXPECT_NE(html.find(words), std::string::npos) << words;
}

TEST(page, one_sample_and_none)
{
	for (const std::uint64_t samples : {1, 2, 3}) {
		const std::string html = page(recording(samples));
		expect_well_formed(html);
		EXPECT_EQ(html.find("one sample only") != std::string::npos, samples == 1);
	}
	Recording nobody = recording(3);
	for (Sample &sample : nobody.segments[0].samples)
		sample.listeners.clear();
	const std::string html = page(nobody);
	expect_well_formed(html);
	EXPECT_NE(html.find("No listener was there"), std::string::npos);
}

TEST(page, what_a_recording_says_is_no_markup)
{
	Recording r = recording(3);
	const std::string evil = "\"><script>alert(1)</script>&\xff";
	r.names[3] = evil;
	r.segments[0].lqctl = evil;
	for (Sample &sample : r.segments[0].samples) {
		sample.listeners[0].local = evil;
		sample.listeners[0].policy = evil;
		sample.listeners[0].accept_filter = evil;
	}
	r.segments[0].events.push_back({1s, evil, 1, evil, evil, 0, 0, 1});
	r.segments[0].verdicts.push_back(
		{1s, 1, evil, evil, evil, {{evil, "problem", evil, {evil}}}});
	const std::string html = report_page({{evil, &r, make_timeline(r, 200)}}, evil);
	EXPECT_NE(html.find("goes on"), std::string::npos);
	expect_well_formed(html);
	expect_self_contained(html);
}

TEST(page, what_was_wrong_is_said)
{
	Recording r = recording(10);
	auto &samples = r.segments[0].samples;
	EXPECT_EQ(page(r).find("note-list\">"), std::string::npos);
	r.damaged = 3;
	r.segments[0].end.clear();
	samples[4].complete = false;
	samples[7].listeners[0].events.clear();
	for (std::size_t i = 8; i < 10; i++)
		samples[i].elapsed += 60s;
	const std::string html = page(r);
	expect_well_formed(html);
	for (const char *words : {"3 damaged lines of the file were", "has no end", "In 1 sample ",
				  "began anew 1 time:", "1 time no sample"})
		EXPECT_NE(html.find(words), std::string::npos) << words;
}

TEST(page, numbers_of_any_size)
{
	Recording r = recording(3);
	for (std::uint64_t i = 0; i < 3; i++) {
		RecordedListener &o = r.segments[0].samples[i].listeners[0];
		o.accept_qlen = ~std::uint64_t{0};
		o.accept_limit = 0;
		o.syn_limit = ~std::uint64_t{0};
		o.events[0].second = (~std::uint64_t{0} / 2) * i;
		o.accept_wait.assign(64, i << 60);
	}
	expect_well_formed(page(r));
}

TEST(page, many_samples_and_many_listeners)
{
	Recording r = recording(2000);
	for (Sample &sample : r.segments[0].samples) {
		if (sample.elapsed > 2s)
			continue;
		for (std::uint64_t i = 2; i < 100; i++) {
			sample.listeners.push_back(sample.listeners[0]);
			sample.listeners.back().id = i;
		}
	}
	const std::string html = page(r);
	expect_well_formed(html);
	EXPECT_NE(html.find("each point: the largest of 10 samples"), std::string::npos);
	EXPECT_EQ(html.find("id=\"l40\""), std::string::npos);
	EXPECT_NE(html.find("id=\"l39\""), std::string::npos);
}

} // namespace
