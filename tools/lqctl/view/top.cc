// SPDX-License-Identifier: GPL-2.0
/* Top: rates, order and lines. */
#include "view/top.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

namespace lqctl {

namespace {

using enum Table::Align;

std::uint64_t event(const Listener &l, unsigned number)
{
	for (const Counter &c : l.events) {
		if (c.number == number)
			return c.value;
	}
	return 0;
}

/* The fuller of both queues. */
double load(const Listener &l)
{
	const auto part = [](double n, double of) { return of > 0 ? n / of : 0; };
	return std::max(part(l.accept_qlen, l.accept_limit), part(l.syn_qlen, l.syn_limit));
}

std::string bar(std::uint64_t part, std::uint64_t limit, const Glyphs &glyphs)
{
	constexpr std::uint64_t cells = 8;
	std::uint64_t full = limit ? std::min(cells, part * cells / limit) : 0;
	if (part && !full)
		full = 1;
	std::string text = "[";
	for (std::uint64_t i = 0; i < cells; i++)
		text += i < full ? glyphs.bar : ".";
	return text + ']';
}

std::string rate(double per_second)
{
	return per_second < 1000 ? fmt::format("{:.1f}", per_second)
				 : fmt::format("{:.0f}", per_second);
}

/* Who holds it, and how many beside. */
std::string program_of(const Listener &l)
{
	std::set<int> pids;

	for (const Process &p : l.processes)
		pids.insert(static_cast<int>(p.pid));
	if (pids.empty())
		return "";
	return pids.size() == 1 ? l.processes.front().name
				: fmt::format("{}+{}", l.processes.front().name, pids.size() - 1);
}

/* Which titles sort, and by what. */
constexpr std::pair<std::string_view, TopSort> sorting_titles[] = {
	{"Accept", TopSort::load}, {"queue", TopSort::load},	   {"SYN", TopSort::load},
	{"SYN/s", TopSort::syns},  {"Acc/s", TopSort::accepts},	   {"Drop/s", TopSort::drops},
	{"Drops", TopSort::drops}, {"Last minute", TopSort::load}, {"Address:Port", TopSort::port},
};

constexpr TopSort sorts[] = {TopSort::load, TopSort::drops, TopSort::syns, TopSort::accepts,
			     TopSort::port};

/* Cut to @columns; all is one cell wide each. */
Table::Line cut(const Table::Line &line, unsigned columns)
{
	Table::Line out;
	std::size_t left = columns;

	for (const Table::Cell &piece : line) {
		std::size_t bytes = 0, cells = 0;
		while (bytes < piece.text.size()) {
			if ((piece.text[bytes] & 0xc0) != 0x80 && cells++ == left)
				break;
			bytes++;
		}
		cells = std::min(cells, left);
		out.push_back({piece.text.substr(0, bytes), piece.tone});
		left -= cells;
	}
	return out;
}

} // namespace

const char *to_string(TopSort sort)
{
	switch (sort) {
	case TopSort::load:
		return "load";
	case TopSort::drops:
		return "drops";
	case TopSort::syns:
		return "SYNs";
	case TopSort::accepts:
		return "accepts";
	case TopSort::port:
		return "port";
	}
	return "";
}

TopSort next(TopSort sort)
{
	return sort == TopSort::port ? TopSort::load
				     : static_cast<TopSort>(static_cast<int>(sort) + 1);
}

std::string TopSettings::text() const
{
	return fmt::format("sort {}\nreversed {:d}\nnumeric {:d}\n", to_string(sort), reversed,
			   numeric);
}

TopSettings TopSettings::of(const std::string &text)
{
	TopSettings settings;
	std::istringstream lines(text);
	std::string name, value;

	while (lines >> name >> value) {
		for (const TopSort sort : sorts) {
			if (name == "sort" && value == to_string(sort))
				settings.sort = sort;
		}
		if (name == "reversed")
			settings.reversed = value == "1";
		if (name == "numeric")
			settings.numeric = value == "1";
	}
	return settings;
}

void Top::Minute::add(std::int64_t now, double load)
{
	const std::int64_t gone = std::min<std::int64_t>(now - slot, most.size());

	std::shift_left(most.begin(), most.end(), gone);
	std::fill(most.end() - gone, most.end(), -1);
	slot = now;
	most.back() = std::max(most.back(), load);
}

std::string Top::Minute::draw(const Glyphs &glyphs) const
{
	std::string text;

	for (const double load : most) {
		/* Only what is empty looks empty, and only what is full looks full. */
		const double level =
			load > 0 ? std::clamp(1 + load * 6, 1., load < 1 ? 6. : 7.) : 0;

		text += load < 0 ? " " : glyphs.levels[static_cast<std::size_t>(level)];
	}
	return text;
}

void Top::update(std::vector<Listener> listeners, double time)
{
	std::map<std::uint64_t, Minute> minutes;
	const auto slot = static_cast<std::int64_t>(std::floor(time / Minute::slot_seconds));

	for (const Listener &l : listeners) {
		const auto found = minutes_.find(l.id);
		Minute &minute = minutes.emplace(l.id, found == minutes_.end() ? Minute(slot)
									       : found->second)
					 .first->second;
		minute.add(slot, load(l));
	}
	minutes_ = std::move(minutes);
	before_.clear();
	for (Listener &l : listeners_)
		before_.emplace(l.id, std::move(l));
	seconds_ = before_.empty() ? 0 : time - time_;
	time_ = time;
	listeners_ = std::move(listeners);
	dropped_.clear();
}

const Listener *Top::worst() const
{
	const std::vector<Row> all = rows();
	const auto most = std::max_element(all.begin(), all.end(), [](const Row &a, const Row &b) {
		return a.rates.drops < b.rates.drops;
	});

	return most != all.end() && most->rates.drops > 0 ? most->listener : nullptr;
}

void Top::name_dropped(const std::string &who)
{
	const Listener *l = worst();

	dropped_ = l && !who.empty() ? fmt::format(":{} drops {}", l->address.port, who) : "";
}

void Top::set_filter(const std::string &text)
{
	selection_ = text.find_first_not_of(' ') == text.npos ? Selection() : Selection(text);
	first = 0;
}

Top::Rates Top::rates_of(const Listener &now) const
{
	const auto found = before_.find(now.id);
	if (found == before_.end() || seconds_ <= 0)
		return {};
	const Listener &old = found->second;
	const auto per_second = [&](std::uint64_t a, std::uint64_t b) {
		return a > b ? static_cast<double>(a - b) / seconds_ : 0;
	};
	return {.syns = per_second(event(now, LISTENQ_EVENT_SYN_RECEIVED),
				   event(old, LISTENQ_EVENT_SYN_RECEIVED)),
		.accepts = per_second(event(now, LISTENQ_EVENT_ACCEPTED),
				      event(old, LISTENQ_EVENT_ACCEPTED)),
		.drops = per_second(total_drops(now.drops), total_drops(old.drops))};
}

std::vector<Top::Row> Top::rows() const
{
	std::vector<Row> rows;

	for (const Listener &l : listeners_) {
		if (selection_.matches(l))
			rows.push_back({&l, rates_of(l)});
	}
	const auto greater = [&](const Row &a, const Row &b) {
		switch (sort) {
		case TopSort::load:
			return load(*a.listener) > load(*b.listener);
		case TopSort::drops:
			/* What happens now, before what happened once. */
			return std::pair(a.rates.drops, total_drops(a.listener->drops)) >
			       std::pair(b.rates.drops, total_drops(b.listener->drops));
		case TopSort::syns:
			return a.rates.syns > b.rates.syns;
		case TopSort::accepts:
			return a.rates.accepts > b.rates.accepts;
		case TopSort::port:
			return a.listener->address.port < b.listener->address.port;
		}
		return false;
	};
	std::stable_sort(rows.begin(), rows.end(), greater);
	if (reversed)
		std::reverse(rows.begin(), rows.end());
	return rows;
}

std::size_t Top::size() const
{
	return static_cast<std::size_t>(
		std::count_if(listeners_.begin(), listeners_.end(),
			      [&](const Listener &l) { return selection_.matches(l); }));
}

/* What a narrow terminal has no room for goes as a whole: the order first, then the rates. */
Table::Line Top::title(const TopStyle &style, const std::string &clock, std::size_t shown,
		       const Rates &sum) const
{
	const std::string head = fmt::format("lqctl {} {} of {}", clock, shown, listeners_.size());
	const std::string drops = fmt::format("  drop {}/s", rate(sum.drops));
	std::string order = fmt::format(" by {}{}", reversed ? "-" : "", to_string(sort));
	std::string rates = fmt::format(" SYN {}/s acc {}/s", rate(sum.syns), rate(sum.accepts));
	const auto fits = [&] {
		return head.size() + order.size() + drops.size() + rates.size() <= style.columns;
	};

	if (!fits())
		rates.clear();
	if (!fits())
		order.clear();
	return {{head, Tone::title},
		{order},
		{drops, sum.drops > 0 ? Tone::bad : Tone::plain},
		{rates},
		{selection_.text().empty() ? "" : "  " + selection_.text()}};
}

/* @room rows of those, from the first that is to be seen. */
Table Top::table(const std::vector<Row> &all, std::size_t room, const TopStyle &style) const
{
	Table table({{"Accept", left, 10},
		     {"queue", right},
		     {"SYN", left, 5},
		     {"queue", right, 8},
		     {"SYN/s", right, 7},
		     {"Acc/s", right, 9},
		     {"Drop/s", right, 11},
		     {"Drops", right, 4},
		     {"Oldest", right, 3},
		     {"Last minute", left, 2},
		     {"Policy", left, 1},
		     {"Program", left, 6},
		     {"Address:Port", left}});
	const std::size_t from = std::min(first, all.empty() ? 0 : all.size() - 1);

	for (std::size_t i = from; i < all.size() && i - from < room; i++) {
		const Listener &l = *all[i].listener;
		const Rates &r = all[i].rates;
		const Tone accept = level_tone(l.accept_qlen, l.accept_limit);
		const Tone syn = level_tone(l.syn_qlen, l.syn_limit);
		const std::uint64_t drops = total_drops(l.drops);
		const std::string oldest =
			l.accept_oldest ? fmt::format("{:.1f}s", l.accept_oldest / 1e6) : "";
		table.add({{bar(l.accept_qlen, l.accept_limit, style.glyphs),
			    accept == Tone::plain ? Tone::good : accept},
			   {fmt::format("{}/{}", l.accept_qlen, l.accept_limit), accept},
			   {bar(l.syn_qlen, l.syn_limit, style.glyphs),
			    syn == Tone::plain ? Tone::good : syn},
			   {fmt::format("{}/{}", l.syn_qlen, l.syn_limit), syn},
			   {rate(r.syns)},
			   {rate(r.accepts)},
			   {rate(r.drops), r.drops > 0 ? Tone::bad : Tone::plain},
			   {fmt::format("{}", drops), drops ? Tone::warn : Tone::plain},
			   {oldest, l.accept_oldest >= 1'000'000 ? Tone::warn : Tone::plain},
			   {minutes_.at(l.id).draw(style.glyphs)},
			   {l.policy},
			   {program_of(l)},
			   {to_string(l.address, style.numeric)}});
	}
	return table;
}

std::optional<TopSort> Top::sort_at(const TopStyle &style, unsigned column, unsigned row) const
{
	if (row + 1 != above())
		return {};
	/* Widths are those of the rows that are seen. */
	const std::size_t room = style.rows > above() ? style.rows - above() : 0;
	const Table::Line titles = table(rows(), room, style).lines(true, style.columns).front();
	std::size_t end = 0;

	for (const Table::Cell &piece : titles) {
		const std::size_t begin = end;

		end += cells_of(piece.text);
		if (column < begin || column >= end)
			continue;
		for (const auto &[words, by] : sorting_titles) {
			if (piece.text == words)
				return by;
		}
	}
	return {};
}

std::vector<Table::Line> Top::frame(const TopStyle &style, const std::string &clock) const
{
	const std::vector<Row> all = rows();
	Rates sum;

	for (const Row &row : all) {
		sum.syns += row.rates.syns;
		sum.accepts += row.rates.accepts;
		sum.drops += row.rates.drops;
	}
	const std::size_t room = style.rows > above() ? style.rows - above() : 0;
	std::vector<Table::Line> frame;
	frame.push_back(title(style, clock, all.size(), sum));
	if (!dropped_.empty())
		frame.push_back({{dropped_, Tone::bad}});
	for (Table::Line &line : table(all, room, style).lines(true, style.columns))
		frame.push_back(std::move(line));
	for (Table::Line &line : frame)
		line = cut(line, style.columns);
	frame.resize(std::min<std::size_t>(frame.size(), style.rows));
	return frame;
}

} // namespace lqctl
