// SPDX-License-Identifier: GPL-2.0
/* The page: what was recorded at a glance, then each listener's figures and numbers. */
#include "report/page.hh"
#include "base/clock.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>
#include <map>

#include "base/timespan.hh"
#include "model/histogram.hh"
#include "report/axis.hh"
#include "report/figures.hh"
#include "report/page_style.hh"
#include "report/svg.hh"

namespace lqctl {

namespace {

/* Listeners with figures; of more there is a row in the overview. */
constexpr std::size_t most_sections = 40;

/* The words that lqctl has for a counter; none for one of a newer lqctl. */
std::string words_for(const std::string &name)
{
	for (const CounterKind kind : {CounterKind::drop, CounterKind::event}) {
		for (const Counter &counter : zero_counters(kind)) {
			if (counter.name == name)
				return counter.text;
		}
	}
	return {};
}

std::string tile(const std::string &number, const std::string &text, bool bad = false)
{
	return fmt::format("<div class=\"tile{}\"><b>{}</b><span>{}</span></div>\n",
			   bad ? " bad" : "", number, escaped(text));
}

std::string chip(const std::string &name, const std::string &value, bool bad = false)
{
	return fmt::format("<span class=\"chip{}\">{} <b>{}</b></span>\n", bad ? " bad" : "",
			   escaped(name), escaped(value));
}

/* "9 of 9" and a bar. */
std::string filled(std::uint64_t length, std::uint64_t limit, const char *classes)
{
	const double part =
		limit ? 100 * static_cast<double>(length) / static_cast<double>(limit) : 0;
	return fmt::format("<td>{} of {}<span class=\"bar {}{}\"><i style=\"width:{:.0f}%\"></i>"
			   "</span></td>",
			   grouped(length), grouped(limit), classes,
			   length >= limit && limit ? " full" : "", std::min(part, 100.0));
}

class Page final {
public:
	Page(const Recording &recording, const Timeline &timeline, const std::string &title)
	    : recording_(recording), timeline_(timeline), title_(title),
	      palette_(make_palette(timeline))
	{
	}

	std::string build()
	{
		head();
		notes();
		tiles();
		overview();
		for (std::size_t i = 0; i < timeline_.listeners.size() && i < most_sections; i++)
			section(timeline_.listeners[i], i);
		events();
		foot();
		return std::move(out_);
	}

private:
	[[nodiscard]] std::string time(std::int64_t us) const
	{
		return time_text(timeline_.begin_ns, us, timeline_.end_us);
	}
	/* With tenths where rows are less than a second apart. */
	[[nodiscard]] std::string row_time(std::int64_t us) const
	{
		using namespace std::chrono_literals;
		return timeline_.interval < 1s ? time_text(timeline_.begin_ns, us, 1'000'000)
					       : time(us);
	}
	[[nodiscard]] std::uint64_t events_of(const Series &s, const char *name) const
	{
		return timeline_.count(s.events, name);
	}

	void head()
	{
		const auto begin = static_cast<std::uint64_t>(timeline_.begin_ns);
		out_ += fmt::format(
			"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
			"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
			"'none'; "
			"style-src 'unsafe-inline'\">\n"
			"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			"<title>{0}</title>\n<style>{1}</style></head>\n<body><main>\n<h1>{0}</"
			"h1>\n"
			"<p class=\"sub\">{2} for {3}, a sample every {4}; times are UTC</p>\n",
			escaped(title_), page_style,
			utc_text(begin, 0).substr(0, 10) + ' ' + utc_text(begin, 0).substr(11, 8),
			timespan_text(Microseconds(timeline_.end_us)),
			timespan_text(timeline_.interval));
	}

	/* What a reader must know who trusts the numbers. */
	void notes()
	{
		std::vector<std::string> notes;
		unsigned resets = 0, incomplete = 0, gaps = 0, lost = 0;

		for (const Series &s : timeline_.listeners)
			resets += s.resets;
		for (const Segment &segment : recording_.segments)
			incomplete += static_cast<unsigned>(
				std::count_if(segment.samples.begin(), segment.samples.end(),
					      [](const Sample &s) { return !s.complete; }));
		for (const Column &column : timeline_.columns)
			gaps += column.gap;
		for (const auto &one : timeline_.events)
			lost += one.second->type == "events_lost";

		if (recording_.segments.size() > 1)
			notes.push_back(fmt::format("{} recordings follow one another in the file; "
						    "what happened between them is not counted.",
						    recording_.segments.size()));
		else if (gaps)
			notes.push_back(fmt::format("{} times no sample was taken for more than "
						    "twice the interval.",
						    gaps));
		if (std::any_of(recording_.segments.begin(), recording_.segments.end(),
				[](const Segment &s) { return s.end.empty(); }))
			notes.emplace_back("A recording has no end: it was cut off, or goes on.");
		if (recording_.damaged)
			notes.push_back(
				fmt::format("{} damaged lines of the file were passed over.",
					    recording_.damaged));
		if (resets)
			notes.push_back(fmt::format("Counters began anew {} times: the module was "
						    "reloaded.",
						    resets));
		if (incomplete)
			notes.push_back(fmt::format("In {} samples listeners may be missing: they "
						    "came and went meanwhile.",
						    incomplete));
		if (lost)
			notes.emplace_back("Events are missing: they came too fast.");
		if (timeline_.listeners.empty())
			notes.emplace_back("No listener was there while it was recorded.");
		if (timeline_.columns.size() == 1 &&
		    timeline_.columns[0].begin_us == timeline_.columns[0].end_us)
			notes.emplace_back("There is one sample only: no rates.");
		if (notes.empty())
			return;
		out_ += "<ul class=\"note-list\">\n";
		for (const std::string &note : notes)
			out_ += "<li>" + escaped(note) + "</li>\n";
		out_ += "</ul>\n";
	}

	void tiles()
	{
		std::uint64_t syns = 0, established = 0, accepted = 0, drops = 0, overflows = 0;
		std::vector<std::uint64_t> waits, fine;

		for (const Series &s : timeline_.listeners) {
			syns += events_of(s, "syn_received");
			established += events_of(s, "established");
			accepted += events_of(s, "accepted");
			drops += total(s.drops);
			overflows += s.overflows.size();
			add(waits, s.accept_wait);
			add(fine, s.accept_wait_fine);
		}
		out_ += "<div class=\"tiles\">\n";
		out_ += tile(grouped(timeline_.listeners.size()), "listeners");
		out_ += tile(grouped(syns), "SYNs");
		out_ += tile(grouped(established), "established");
		out_ += tile(grouped(accepted), "accepted");
		out_ += tile(grouped(drops), "drops", drops);
		out_ += tile(grouped(overflows), "overflows", overflows);
		out_ += tile(escaped(percentile_text(waits, fine, 99)), "p99 wait");
		out_ += "</div>\n";
	}

	void overview()
	{
		if (timeline_.listeners.empty())
			return;
		out_ += "<div class=\"card scroll\"><table><caption>Listeners</caption>\n"
			"<thead><tr><th class=\"l\" scope=\"col\">Address</th>"
			"<th class=\"l\" scope=\"col\">Policy</th><th scope=\"col\">Backlog</th>"
			"<th scope=\"col\">Accept queue, most</th>"
			"<th scope=\"col\">SYN queue, most</th>"
			"<th scope=\"col\">SYNs</th><th scope=\"col\">Established</th>"
			"<th scope=\"col\">Accepted</th><th scope=\"col\">Drops</th>"
			"<th scope=\"col\">Wait p50</th><th scope=\"col\">p90</th><th "
			"scope=\"col\">p99</th><th scope=\"col\">Handshake p50</th><th "
			"scope=\"col\">p90</th><th scope=\"col\">p99</th></tr></thead>\n"
			"<tbody>\n";
		for (std::size_t i = 0; i < timeline_.listeners.size(); i++) {
			const Series &s = timeline_.listeners[i];
			const std::uint64_t drops = total(s.drops);
			const std::string name = i < most_sections
							 ? fmt::format("<a href=\"#l{}\">{}</a>", i,
								       escaped(s.local))
							 : escaped(s.local);
			out_ += fmt::format(
				"<tr><td class=\"l\">{}</td><td class=\"l\">{}</td><td>{}</td>{}{}"
				"<td>{}</td><td>{}</td><td>{}</td><td{}>{}</td><td>{}</td>"
				"<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
				name, escaped(s.last.policy), escaped(backlog(s)),
				filled(s.accept_max, s.last.accept_limit, ""),
				filled(s.syn_max, s.last.syn_limit, "s"),
				grouped(events_of(s, "syn_received")),
				grouped(events_of(s, "established")),
				grouped(events_of(s, "accepted")), drops ? " class=\"bad\"" : "",
				grouped(drops), escaped(wait(s, 50)), escaped(wait(s, 90)),
				escaped(wait(s, 99)), escaped(handshake(s, 50)),
				escaped(handshake(s, 90)), escaped(handshake(s, 99)));
		}
		out_ += "</tbody></table></div>\n";
	}

	static std::string wait(const Series &s, unsigned percent)
	{
		return percentile_text(s.accept_wait, s.accept_wait_fine, percent);
	}

	static std::string handshake(const Series &s, unsigned percent)
	{
		const auto us =
			Histogram(s.handshake, Histogram::Scale::fine).percentile_us(percent);
		return us ? duration_text(*us) : "-";
	}

	static std::string backlog(const Series &s)
	{
		if (s.last.backlog_asked == static_cast<std::int64_t>(s.last.backlog))
			return fmt::format("{}", s.last.backlog);
		return fmt::format("{} → {}", s.last.backlog_asked, s.last.backlog);
	}

	void section(const Series &s, std::size_t index)
	{
		const std::string id = fmt::format("l{}", index);

		out_ += fmt::format("<section id=\"{}\" aria-labelledby=\"{}-h\"><header "
				    "class=\"row\"><h2 id=\"{}-h\">{}</h2>\n",
				    id, id, id, escaped(s.local));
		out_ += chip("id", fmt::format("{}", s.id));
		out_ += chip("policy", s.last.policy);
		out_ += chip("backlog", backlog(s),
			     s.last.backlog_asked > static_cast<std::int64_t>(s.last.backlog));
		if (!s.last.accept_filter.empty())
			out_ += chip("accept filter", s.last.accept_filter);
		if (s.came)
			out_ += chip("came", time(s.begin_us));
		if (s.went)
			out_ += chip("went", time(s.end_us));
		if (!s.overflows.empty())
			out_ += chip("overflows", fmt::format("{}", s.overflows.size()), true);
		if (s.resets)
			out_ += chip("counters began anew", fmt::format("{} times", s.resets),
				     true);
		out_ += "</header>\n";
		if (s.events.empty() && s.drops.empty() && s.accept_max == 0 && s.syn_max == 0) {
			out_ += "<p class=\"sub\">Nothing happened here.</p></section>\n";
			return;
		}
		out_ += accept_queue_figure(timeline_, s, id + "a");
		out_ += syn_queue_figure(timeline_, s, id + "s");
		out_ += rates_figure(timeline_, s, id + "r");
		out_ += drops_figure(timeline_, s, palette_, id + "d");
		out_ += waits_figure(timeline_, s, id + "w");
		totals(s);
		numbers(s);
		out_ += "</section>\n";
	}

	void counters(const char *caption, const NamedCounters &counters)
	{
		out_ += fmt::format(
			"<table><caption>{}</caption><thead><tr><th class=\"l\" "
			"scope=\"col\">Counter</th><th scope=\"col\">Count</th><th "
			"class=\"l\" scope=\"col\">What happened</th></tr></thead><tbody>\n",
			caption);
		for (const auto &[name, count] : counters) {
			const std::string &word = (*timeline_.names)[name];
			out_ += fmt::format("<tr><td class=\"l\">{}</td><td>{}</td><td "
					    "class=\"w\">{}</td></tr>\n",
					    escaped(word), grouped(count),
					    escaped(words_for(word)));
		}
		out_ += "</tbody></table>\n";
	}

	void totals(const Series &s)
	{
		out_ += "<details><summary>Totals: every counter, and the waiting times</summary>"
			"<div class=\"two\"><div class=\"scroll\">\n";
		counters("Events", s.events);
		if (!s.drops.empty())
			counters("Drops", s.drops);
		out_ += "</div><div class=\"scroll\">\n";
		waits(s);
		out_ += "</div></div></details>\n";
	}

	void waits(const Series &s)
	{
		double all = 0, below = 0;

		for (const std::uint64_t count : s.accept_wait)
			all += static_cast<double>(count);
		out_ += "<table><caption>Waited for accept()</caption><thead><tr><th "
			"scope=\"col\">Waited</th><th scope=\"col\">Connections</th><th "
			"scope=\"col\">Up to here</th></tr></thead><tbody>\n";
		for (std::size_t i = 0; i < s.accept_wait.size(); i++) {
			below += static_cast<double>(s.accept_wait[i]);
			if (!s.accept_wait[i])
				continue;
			out_ += fmt::format("<tr><td>{}</td><td>{}</td><td>{:.1f} %</td></tr>\n",
					    escaped(below_text(i + 1 < LISTENQ_HIST_BUCKETS
								       ? std::uint64_t{1} << i
								       : ~std::uint64_t{0})),
					    grouped(s.accept_wait[i]),
					    100 * static_cast<double>(below) /
						    static_cast<double>(all));
		}
		out_ += "</tbody></table>\n";
	}

	/* A row for each column of the figures. */
	void numbers(const Series &s)
	{
		out_ += "<details><summary>The numbers behind the figures</summary><div "
			"class=\"scroll\" tabindex=\"0\">\n<table><thead><tr><th class=\"l\" "
			"scope=\"col\">Until</th>";
		for (const char *name :
		     {"Seconds", "Accept queue", "Limit", "SYN queue", "Young", "Limit", "SYNs",
		      "Established", "Accepted", "SYN-ACKs again", "Cookies", "Drops"})
			out_ += fmt::format("<th scope=\"col\">{}</th>", name);
		out_ += "</tr></thead><tbody>\n";
		for (std::size_t i = 0; i < timeline_.columns.size(); i++) {
			const Cell &cell = s.cells[i];
			if (!cell.sampled && !cell.covered_us)
				continue;
			out_ += fmt::format(
				"<tr><td class=\"l\">{}</td><td>{}</td>",
				time(timeline_.columns[i].end_us),
				number_text(static_cast<double>(cell.covered_us) / 1e6));
			for (const std::uint64_t number :
			     {cell.accept_qlen, cell.accept_limit, cell.syn_qlen, cell.syn_young,
			      cell.syn_limit, timeline_.count(cell.events, "syn_received"),
			      timeline_.count(cell.events, "established"),
			      timeline_.count(cell.events, "accepted"),
			      timeline_.count(cell.events, "synack_retrans"),
			      timeline_.count(cell.events, "cookie_sent")})
				out_ += fmt::format("<td>{}</td>", grouped(number));
			const std::uint64_t drops = total(cell.drops);
			out_ += fmt::format("<td{}>{}</td></tr>\n", drops ? " class=\"bad\"" : "",
					    grouped(drops));
		}
		out_ += "</tbody></table></div></details>\n";
	}

	void events()
	{
		constexpr std::size_t most = 500;
		if (timeline_.events.empty())
			return;
		out_ += "<div class=\"card\"><h2>Events</h2><div class=\"scroll\" "
			"tabindex=\"0\"><table><thead><tr><th class=\"l\" "
			"scope=\"col\">Time</th><th class=\"l\" scope=\"col\">Event</th><th "
			"class=\"l\" scope=\"col\">Listener</th><th class=\"l\" "
			"scope=\"col\">What</th></tr></thead><tbody>\n";
		for (std::size_t i = 0; i < timeline_.events.size() && i < most; i++) {
			const auto &[us, event] = timeline_.events[i];
			std::string what;
			if (event->type == "backlog_truncated")
				what = fmt::format("asked for {}, got {}", event->backlog_asked,
						   event->backlog);
			else if (event->type == "overflow_ended" && event->count)
				what = fmt::format("{} drops", event->count);
			else if (event->type == "cookies_ended" && event->count)
				what = fmt::format("{} cookies", event->count);
			if (!event->reason.empty())
				what += fmt::format(
					"{}{}", what.empty() ? "" : ", the first: ", event->reason);
			out_ += fmt::format("<tr><td class=\"l\">{}</td><td class=\"l\">{}</td><td "
					    "class=\"l\">{}</td><td class=\"l\">{}</td></tr>\n",
					    time(us), escaped(event->type), escaped(event->local),
					    escaped(what));
		}
		out_ += "</tbody></table></div>\n";
		if (timeline_.events.size() > most)
			out_ += fmt::format("<p class=\"sub\">and {} more</p>\n",
					    timeline_.events.size() - most);
		out_ += "</div>\n";
	}

	void foot()
	{
		out_ += "<footer><p>Lengths are as the samples saw them; a ring marks a length "
			"that "
			"the kernel saw between two samples. Rates and drops are the counters' "
			"differences, so nothing between samples is missed. A limit far above the "
			"lengths is written at the edge, not drawn.</p>\n";
		out_ += fmt::format("<p>lqctl report {}, of a recording by lqctl {}</p></footer>\n"
				    "</main></body></html>\n",
				    LISTENQ_VERSION, escaped(recording_.segments.front().lqctl));
	}

	const Recording &recording_;
	const Timeline &timeline_;
	const std::string &title_;
	Palette palette_;
	std::string out_;
};

} // namespace

std::string report_page(const Recording &recording, const Timeline &timeline,
			const std::string &title)
{
	return Page(recording, timeline, title).build();
}

} // namespace lqctl
