// SPDX-License-Identifier: GPL-2.0
/* The page: what was recorded at a glance, then each listener's figures and numbers. */
#include "report/page.hh"
#include "base/clock.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/plural.hh"
#include "base/timespan.hh"
#include "model/histogram.hh"
#include "report/axis.hh"
#include "report/figures.hh"
#include "report/page_style.hh"
#include "report/svg.hh"
#include "report/wrong.hh"

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
	return fmt::format("{} of {}<span class=\"bar {}{}\"><i style=\"width:{:.0f}%\"></i>"
			   "</span>",
			   grouped(length), grouped(limit), classes,
			   length >= limit && limit ? " full" : "", std::min(part, 100.0));
}

/* What there is of one machine. */
class Part final {
public:
	/* @prefix: of the ids of its elements. */
	Part(const Host &host, std::string prefix)
	    : recording_(*host.recording), timeline_(host.timeline), prefix_(std::move(prefix)),
	      palette_(make_palette(timeline_))
	{
	}

	std::string build()
	{
		notes();
		tiles();
		overview();
		for (std::size_t i = 0; i < timeline_.listeners.size() && i < most_sections; i++)
			section(timeline_.listeners[i], i);
		events();
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
			notes.push_back(fmt::format("{} recordings follow one another; what "
						    "happened between them is not counted.",
						    recording_.segments.size()));
		else if (gaps)
			notes.push_back(
				fmt::format("{} no sample was taken for more than twice the "
					    "interval.",
					    many(gaps, "time")));
		if (std::any_of(recording_.segments.begin(), recording_.segments.end(),
				[](const Segment &s) { return s.end.empty(); }))
			notes.emplace_back("A recording has no end: it was cut off, or goes on.");
		if (recording_.damaged)
			notes.push_back(fmt::format("{} passed over.",
						    plural(recording_.damaged,
							   "damaged line of the file was",
							   "damaged lines of the file were")));
		if (resets)
			notes.push_back(fmt::format("Counters began anew {}: the module was "
						    "reloaded.",
						    many(resets, "time")));
		if (incomplete)
			notes.push_back(fmt::format("In {} listeners may be missing: they came and "
						    "went meanwhile.",
						    many(incomplete, "sample")));
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
		out_ += "<div class=\"card scroll\" tabindex=\"0\"><table class=\"listeners\">"
			"<caption>Listeners</caption>\n<thead><tr>";
		for (const auto &[name, classes] : columns)
			out_ += fmt::format("<th class=\"{}\" scope=\"col\">{}</th>", classes,
					    name);
		out_ += "</tr></thead>\n<tbody>\n";
		for (std::size_t i = 0; i < timeline_.listeners.size(); i++)
			row(timeline_.listeners[i], i);
		out_ += "</tbody></table></div>\n";
	}

	/* Of the overview. Where the page is narrow it does without those of class more; where it
	 * is as narrow as a telephone, each row is a card of its own and has them all. */
	struct Heading {
		const char *name, *classes;
	};
	static constexpr std::array<Heading, 15> columns{{
		{"Address", "l"},
		{"Policy", "l more"},
		{"Backlog", "more"},
		{"Accept queue, most", ""},
		{"SYN queue, most", ""},
		{"SYNs", ""},
		{"Established", ""},
		{"Accepted", ""},
		{"Drops", ""},
		{"Wait p50", ""},
		{"Wait p90", "more"},
		{"Wait p99", ""},
		{"Handshake p50", ""},
		{"Handshake p90", "more"},
		{"Handshake p99", ""},
	}};

	void row(const Series &s, std::size_t index)
	{
		const std::uint64_t drops = total(s.drops);
		const std::array<std::string, columns.size()> cells{
			index < most_sections ? fmt::format("<a href=\"#{}l{}\">{}</a>", prefix_,
							    index, escaped(s.local))
					      : escaped(s.local),
			escaped(s.last.policy),
			escaped(backlog(s)),
			filled(s.accept_max, s.last.accept_limit, ""),
			filled(s.syn_max, s.last.syn_limit, "s"),
			grouped(events_of(s, "syn_received")),
			grouped(events_of(s, "established")),
			grouped(events_of(s, "accepted")),
			drops ? fmt::format("<b class=\"bad\">{}</b>", grouped(drops)) : "0",
			escaped(wait(s, 50)),
			escaped(wait(s, 90)),
			escaped(wait(s, 99)),
			escaped(handshake(s, 50)),
			escaped(handshake(s, 90)),
			escaped(handshake(s, 99)),
		};

		out_ += "<tr>";
		for (std::size_t i = 0; i < cells.size(); i++)
			out_ += fmt::format("<td class=\"{}\" data-name=\"{}\">{}</td>",
					    columns[i].classes, columns[i].name, cells[i]);
		out_ += "</tr>\n";
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
		const std::string id = fmt::format("{}l{}", prefix_, index);
		const Wrong wrong = judge(recording_, timeline_, index);

		out_ += fmt::format("<section id=\"{}\" aria-labelledby=\"{}-h\"><header "
				    "class=\"row\"><h2 id=\"{}-h\">{}</h2>\n",
				    id, id, id, escaped(s.local));
		out_ += chip("id", fmt::format("{}", s.id));
		if (!wrong.program.empty())
			out_ += chip("program", wrong.program);
		if (!wrong.unit.empty())
			out_ += chip("unit", wrong.unit);
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
			out_ += chip("counters began anew", many(s.resets, "time"), true);
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

	const Recording &recording_;
	const Timeline &timeline_;
	std::string prefix_;
	Palette palette_;
	std::string out_;
};

std::string prefix_of(const std::vector<Host> &hosts, std::size_t index)
{
	return hosts.size() > 1 ? fmt::format("h{}", index) : "";
}

/* "2025-11-21 10:31:02 for 1 h, a sample every 1 s" */
std::string span_text(const Timeline &timeline)
{
	const std::string begin = utc_text(static_cast<std::uint64_t>(timeline.begin_ns), 0);

	return fmt::format("{} {} for {}, a sample every {}", begin.substr(0, 10),
			   begin.substr(11, 8), timespan_text(Microseconds(timeline.end_us)),
			   timespan_text(timeline.interval));
}

std::string head_text(const std::vector<Host> &hosts, const std::string &title)
{
	const std::string what = hosts.size() == 1 ? span_text(hosts.front().timeline)
						   : fmt::format("{} machines", hosts.size());
	return fmt::format(
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src 'unsafe-inline'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<title>{0}</title>\n<style>{1}</style></head>\n<body><main>\n<h1>{0}</h1>\n"
		"<p class=\"sub\">{2}; times are UTC</p>\n",
		escaped(title), page_style, escaped(what));
}

std::string foot_text(const std::vector<Host> &hosts)
{
	return fmt::format(
		"<footer><p>Lengths are as the samples saw them; a ring marks a length that the "
		"kernel saw between two samples. Rates and drops are the counters' differences, so "
		"nothing between samples is missed. A limit far above the lengths is named, not "
		"drawn.</p>\n"
		"<p>lqctl report {}, of a recording by lqctl {}</p></footer>\n"
		"</main></body></html>\n",
		LISTENQ_VERSION, escaped(hosts.front().recording->segments.front().lqctl));
}

/* What is wrong, on all machines: a table that its reader sorts, without a script. */
class WrongTable final {
public:
	explicit WrongTable(const std::vector<Host> &hosts) : hosts_(hosts)
	{
		for (std::size_t h = 0; h < hosts.size(); h++) {
			for (Wrong &w : find_wrong(*hosts[h].recording, hosts[h].timeline))
				rows_.push_back({h, std::move(w), {}});
		}
		const auto rank = [&](std::size_t by, auto is_before) {
			std::vector<Row *> order;
			for (Row &row : rows_)
				order.push_back(&row);
			std::stable_sort(
				order.begin(), order.end(),
				[&](const Row *a, const Row *b) { return is_before(*a, *b); });
			for (std::size_t i = 0; i < order.size(); i++)
				order[i]->ranks[by] = i + 1;
		};
		std::stable_sort(rows_.begin(), rows_.end(), [](const Row &a, const Row &b) {
			return is_worse(a.wrong, b.wrong);
		});
		rank(0, [](const Row &a, const Row &b) { return is_worse(a.wrong, b.wrong); });
		rank(1, [](const Row &a, const Row &b) { return a.wrong.drops > b.wrong.drops; });
		rank(2,
		     [](const Row &a, const Row &b) { return a.wrong.wait_us > b.wrong.wait_us; });
		rank(3, [](const Row &a, const Row &b) { return a.wrong.filled > b.wrong.filled; });
		rank(4, [&](const Row &a, const Row &b) { return place(a) < place(b); });
	}

	[[nodiscard]] std::string text() const
	{
		constexpr const char *orders[] = {"the worst first", "refused", "wait", "queue",
						  "machine, listener"};
		std::string out = "<div class=\"card wrong\"><h2>What is wrong</h2>\n";

		if (rows_.empty())
			return out + "<p>Nothing: nobody was refused, and no queue was nearly "
				     "full.</p></div>\n";
		out += "<p class=\"sub\">Sorted by</p>\n";
		for (std::size_t i = 0; i < std::size(orders); i++)
			out += fmt::format("<input type=\"radio\" name=\"sort\" id=\"sort{0}\"{1}/>"
					   "<label for=\"sort{0}\">{2}</label>\n",
					   i, i == 0 ? " checked=\"checked\"" : "", orders[i]);
		out += "<div class=\"rows\" role=\"table\">\n<div class=\"r head\" role=\"row\">";
		for (const char *name : columns)
			out += fmt::format("<span role=\"columnheader\">{}</span>", name);
		out += "</div>\n";
		for (const Row &row : rows_)
			out += text_of(row);
		return out + "</div></div>\n";
	}

private:
	struct Row {
		std::size_t host;
		Wrong wrong;
		std::array<std::size_t, 5> ranks;
	};

	[[nodiscard]] const Series &series_of(const Row &row) const
	{
		return hosts_[row.host].timeline.listeners[row.wrong.index];
	}
	[[nodiscard]] std::pair<std::string, std::string> place(const Row &row) const
	{
		return {hosts_[row.host].name, series_of(row).local};
	}

	/* "since 14:03:10", or from when to when. */
	[[nodiscard]] std::string when(const Row &row, const WrongFinding &f) const
	{
		const Timeline &timeline = hosts_[row.host].timeline;
		const auto time = [&](std::int64_t us) {
			return time_text(timeline.begin_ns, us, timeline.end_us);
		};

		return f.is_over ? fmt::format("{} to {}:", time(f.begin_us), time(f.end_us))
				 : fmt::format("since {}:", time(f.begin_us));
	}

	[[nodiscard]] std::string finding_text(const Row &row, const WrongFinding &f) const
	{
		std::string out = fmt::format("<span class=\"f{}\"><b>{}</b> <i>{}</i> {}",
					      f.is_over ? " past" : "", escaped(f.code),
					      when(row, f), escaped(f.text));

		for (const std::string &command : f.commands)
			out += fmt::format("<code>{}</code>", escaped(command));
		return out + "</span>";
	}

	[[nodiscard]] std::string text_of(const Row &row) const
	{
		const Wrong &w = row.wrong;
		const auto &[host, local] = place(row);
		std::string style, what, whose = escaped(w.program);

		for (std::size_t i = 0; i < row.ranks.size(); i++)
			style += fmt::format("--s{}:{};", i, row.ranks[i]);
		for (const WrongFinding &f : w.findings)
			what += finding_text(row, f);
		if (w.findings.empty())
			what = w.drops ? "see its drops" : "its accept queue was nearly full";
		if (!w.unit.empty())
			whose += (whose.empty() ? "" : ", ") + escaped(w.unit);
		const std::array<std::string, columns.size()> cells{
			fmt::format("<b class=\"{0}\">{0}{1}</b>",
				    w.is_problem ? "problem" : "warning",
				    w.goes_on ? ", goes on" : ""),
			escaped(host),
			w.index < most_sections
				? fmt::format("<a href=\"#{}l{}\">{}</a>",
					      prefix_of(hosts_, row.host), w.index, escaped(local))
				: escaped(local),
			whose.empty() ? "-" : whose,
			grouped(w.drops),
			w.wait_us ? escaped(below_text(w.wait_us)) : "-",
			fmt::format("{} %", w.filled),
			what,
		};

		std::string out = fmt::format("<div class=\"r\" role=\"row\" style=\"{}\">", style);
		for (std::size_t i = 0; i < cells.size(); i++)
			out += fmt::format("<span role=\"cell\" data-name=\"{}\">{}</span>",
					   columns[i], cells[i]);
		return out + "</div>\n";
	}

	/* What was wrong stands below the others, as wide as the page. */
	static constexpr std::array<const char *, 8> columns{"How bad",	    "Machine", "Listener",
							     "Whose",	    "Refused", "Wait p99",
							     "Queue, most", "What"};

	const std::vector<Host> &hosts_;
	std::vector<Row> rows_;
};

} // namespace

std::string report_page(const std::vector<Host> &hosts, const std::string &title)
{
	std::string out = head_text(hosts, title) + WrongTable(hosts).text();

	for (std::size_t i = 0; i < hosts.size(); i++) {
		if (hosts.size() > 1)
			out += fmt::format(
				"<h2 class=\"host\" id=\"h{}\">{}</h2>\n<p class=\"sub\">{}"
				"</p>\n",
				i, escaped(hosts[i].name), escaped(span_text(hosts[i].timeline)));
		out += Part(hosts[i], prefix_of(hosts, i)).build();
	}
	return out + foot_text(hosts);
}

} // namespace lqctl
