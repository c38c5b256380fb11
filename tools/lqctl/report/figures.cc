// SPDX-License-Identifier: GPL-2.0
/* Figures: lengths, rates, drops and waiting times, drawn. */
#include "report/figures.hh"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "report/axis.hh"
#include "report/plot.hh"
#include "report/svg.hh"

namespace lqctl {

namespace {

struct Legend {
	std::string classes; /* of the swatch */
	std::string text;
};

std::string figure(const std::string &title, const std::vector<Legend> &legend,
		   const std::string &note, std::string svg)
{
	std::string out = "<figure><figcaption><b>" + escaped(title) + "</b>";

	for (const Legend &one : legend)
		out += fmt::format("<span><i class=\"sw {}\"></i>{}</span>", one.classes,
				   escaped(one.text));
	if (!note.empty())
		out += "<span class=\"note\">" + escaped(note) + "</span>";
	return out + "</figcaption>\n" + std::move(svg) + "</figure>\n";
}

/* The words for what bands() draws. */
void add_bands(std::vector<Legend> &legend, const Timeline &timeline, const Series &series)
{
	if (!series.overflows.empty())
		legend.push_back({"band-overflow", "overflow"});
	if (!series.cookies.empty())
		legend.push_back({"band-cookies", "SYN cookies"});
	if (std::any_of(timeline.columns.begin(), timeline.columns.end(),
			[](const Column &c) { return c.gap; }))
		legend.push_back({"gap", "no samples"});
}

double per_second(std::uint64_t count, std::int64_t us)
{
	return us > 0 ? static_cast<double>(count) * 1e6 / static_cast<double>(us) : 0;
}

std::string grouping_note(const Timeline &timeline)
{
	if (timeline.samples_per_column == 1)
		return {};
	return fmt::format("each point: the largest of {} samples", timeline.samples_per_column);
}

} // namespace

std::size_t Palette::colour(std::uint16_t name) const
{
	const auto it = std::find(reasons.begin(), reasons.end(), name);
	return std::min<std::size_t>(static_cast<std::size_t>(it - reasons.begin()), colours - 1);
}

Palette make_palette(const Timeline &timeline)
{
	NamedCounters all;
	Palette palette;

	for (const Series &series : timeline.listeners)
		add(all, series.drops);
	std::stable_sort(all.begin(), all.end(),
			 [](const auto &a, const auto &b) { return a.second > b.second; });
	for (const auto &one : all)
		palette.reasons.push_back(one.first);
	return palette;
}

std::string accept_queue_figure(const Timeline &timeline, const Series &series,
				const std::string &id)
{
	const std::uint64_t limit = largest_limit(series, &Cell::accept_limit);
	const auto ticks = value_ticks(reach(series.accept_max, limit), 4, true);
	const Plot plot(timeline, 150, ticks.back());
	Svg svg(150, id, "Accept queue of " + series.local,
		fmt::format(
			"Connections waiting for accept() over time; at most {}, the limit is {}.",
			series.accept_max, limit));
	std::vector<Legend> legend{
		{"accept", "connections waiting for accept()"},
		{"limit", limit_text(series, &Cell::accept_limit, ticks.back())}};

	plot.times(svg);
	plot.bands(svg, series);
	plot.values(svg, ticks);
	for (auto &run : runs(timeline, series, plot, [](const Cell &cell) {
		     return static_cast<double>(cell.accept_qlen);
	     }))
		area(svg, plot, std::move(run), "accept");
	draw_limit(svg, timeline, series, plot, &Cell::accept_limit, ticks.back());
	if (has_peaks(series, &Cell::accept_qlen, &Cell::accept_peak)) {
		draw_peaks(svg, timeline, series, plot, &Cell::accept_qlen, &Cell::accept_peak);
		legend.push_back({"peak", "reached between samples"});
	}
	plot.tooltips(svg, series, [](const Cell &cell, const Column &) {
		return fmt::format("accept queue {} of {}", cell.accept_qlen, cell.accept_limit);
	});
	add_bands(legend, timeline, series);
	return figure("Accept queue", legend, grouping_note(timeline), svg.take());
}

std::string syn_queue_figure(const Timeline &timeline, const Series &series, const std::string &id)
{
	const std::uint64_t limit = largest_limit(series, &Cell::syn_limit);
	const auto ticks = value_ticks(reach(series.syn_max, limit), 4, true);
	const Plot plot(timeline, 130, ticks.back());
	Svg svg(130, id, "SYN queue of " + series.local,
		fmt::format("Half-open requests over time; at most {}, the limit is {}.",
			    series.syn_max, limit));
	std::vector<Legend> legend{{"syn", "half-open requests"},
				   {"young", "of these young"},
				   {"limit", limit_text(series, &Cell::syn_limit, ticks.back())}};

	plot.times(svg);
	plot.bands(svg, series);
	plot.values(svg, ticks);
	for (auto &run : runs(timeline, series, plot,
			      [](const Cell &cell) { return static_cast<double>(cell.syn_qlen); }))
		area(svg, plot, std::move(run), "syn");
	for (const auto &run : runs(timeline, series, plot, [](const Cell &cell) {
		     return static_cast<double>(cell.syn_young);
	     }))
		svg.path(run, "line young");
	draw_limit(svg, timeline, series, plot, &Cell::syn_limit, ticks.back());
	if (has_peaks(series, &Cell::syn_qlen, &Cell::syn_peak)) {
		draw_peaks(svg, timeline, series, plot, &Cell::syn_qlen, &Cell::syn_peak);
		legend.push_back({"peak", "reached between samples"});
	}
	plot.tooltips(svg, series, [](const Cell &cell, const Column &) {
		return fmt::format("SYN queue {} of {}, {} young", cell.syn_qlen, cell.syn_limit,
				   cell.syn_young);
	});
	return figure("SYN queue", legend, grouping_note(timeline), svg.take());
}

std::string rates_figure(const Timeline &timeline, const Series &series, const std::string &id)
{
	struct Rate {
		const char *name, *classes, *text;
	};
	/* The last is on top. */
	constexpr Rate rates[] = {{"syn_received", "syns", "SYNs"},
				  {"established", "established", "established"},
				  {"accepted", "accepted", "accepted"}};
	double largest = 0;

	for (const Cell &cell : series.cells) {
		for (const Rate &rate : rates)
			largest =
				std::max(largest, per_second(timeline.count(cell.events, rate.name),
							     cell.covered_us));
	}
	const auto ticks = value_ticks(largest, 4, false);
	const Plot plot(timeline, 150, ticks.back());
	Svg svg(150, id, "Rates of " + series.local,
		fmt::format("SYNs, established and accepted connections per second over time; at "
			    "most {} per second.",
			    number_text(largest)));
	std::vector<Legend> legend;

	plot.times(svg);
	plot.bands(svg, series);
	plot.values(svg, ticks);
	for (const Rate &rate : rates) {
		std::vector<XY> run;
		/* Steps: a rate is one number for the whole column. */
		for (std::size_t i = 0; i <= timeline.columns.size(); i++) {
			if (i == timeline.columns.size() || !series.cells[i].covered_us) {
				svg.path(run, fmt::format("line {}", rate.classes));
				run.clear();
				continue;
			}
			const Cell &cell = series.cells[i];
			const double y = plot.y(per_second(timeline.count(cell.events, rate.name),
							   cell.covered_us));
			run.push_back({plot.x(timeline.columns[i].begin_us), y});
			run.push_back({plot.x(timeline.columns[i].end_us), y});
		}
		legend.push_back({rate.classes, rate.text});
	}
	plot.tooltips(svg, series, [&](const Cell &cell, const Column &) {
		std::string text;
		for (const Rate &rate : rates)
			text += fmt::format(
				"{}{} {}/s", text.empty() ? "" : ", ", rate.text,
				number_text(per_second(timeline.count(cell.events, rate.name),
						       cell.covered_us)));
		return text;
	});
	return figure("Connections per second", legend, {}, svg.take());
}

std::string drops_figure(const Timeline &timeline, const Series &series, const Palette &palette,
			 const std::string &id)
{
	double largest = 0;

	if (series.drops.empty())
		return {};
	for (const Cell &cell : series.cells)
		largest = std::max(largest, per_second(total(cell.drops), cell.covered_us));
	const auto ticks = value_ticks(largest, 4, false);
	const Plot plot(timeline, 150, ticks.back());
	Svg svg(150, id, "Drops of " + series.local,
		fmt::format("Drops per second by reason over time; {} in all.",
			    total(series.drops)));

	plot.times(svg);
	plot.bands(svg, series);
	plot.values(svg, ticks);
	for (std::size_t i = 0; i < timeline.columns.size(); i++) {
		const Column &column = timeline.columns[i];
		const Cell &cell = series.cells[i];
		if (!cell.covered_us)
			continue;
		const double x0 = plot.x(column.begin_us), x1 = plot.x(column.end_us);
		const double space = x1 - x0 > 4 ? 1 : 0;
		std::array<std::uint64_t, Palette::colours> counts{};
		for (const auto &[name, count] : cell.drops)
			counts[palette.colour(name)] += count;
		std::uint64_t below = 0;
		for (std::size_t colour = 0; colour < counts.size(); colour++) {
			if (!counts[colour])
				continue;
			const double y0 = plot.y(per_second(below, cell.covered_us));
			below += counts[colour];
			const double y1 = plot.y(per_second(below, cell.covered_us));
			svg.rect(x0, y1, std::max(x1 - x0 - space, 1.0), std::max(y0 - y1, 0.5),
				 fmt::format("c{}", colour));
		}
	}
	plot.tooltips(svg, series, [&](const Cell &cell, const Column &) {
		if (cell.drops.empty())
			return std::string("no drops");
		std::string text;
		for (const auto &[name, count] : cell.drops)
			text += fmt::format("{}{} {}", text.empty() ? "" : ", ",
					    (*timeline.names)[name], count);
		return text;
	});
	std::vector<Legend> legend;
	std::uint64_t others = 0;
	for (const std::uint16_t name : palette.reasons) {
		const auto it = std::find_if(series.drops.begin(), series.drops.end(),
					     [&](const auto &one) { return one.first == name; });
		if (it == series.drops.end())
			continue;
		const std::size_t colour = palette.colour(name);
		if (colour == Palette::colours - 1)
			others += it->second;
		else
			legend.push_back({fmt::format("c{}", colour), (*timeline.names)[name]});
	}
	if (others)
		legend.push_back({fmt::format("c{}", Palette::colours - 1), "other reasons"});
	return figure("Drops per second", legend, {}, svg.take());
}

std::string waits_figure(const Timeline &timeline, const Series &series, const std::string &id)
{
	constexpr double row = 15;
	constexpr unsigned shades = 6;
	const auto counted = [](std::uint64_t count) { return count != 0; };
	const auto &all = series.accept_wait, &fine = series.accept_wait_fine;
	const auto first_it = std::find_if(all.begin(), all.end(), counted);
	double largest = 0;

	if (first_it == all.end())
		return {};
	const auto first = static_cast<std::size_t>(first_it - all.begin());
	const auto end = static_cast<std::size_t>(
		std::find_if(all.rbegin(), all.rend(), counted).base() - all.begin());
	for (const Cell &cell : series.cells) {
		for (const std::uint64_t count : cell.accept_wait)
			largest = std::max(largest, per_second(count, cell.covered_us));
	}
	const double height = Plot::top + Plot::bottom + row * static_cast<double>(end - first);
	const Plot plot(timeline, height, 1);
	const auto y = [&](std::size_t bucket) {
		return plot.floor() - row * static_cast<double>(bucket - first + 1);
	};
	Svg svg(height, id, "Waiting times of " + series.local,
		fmt::format(
			"How long connections waited for accept() over time, as a heat map; half "
			"of them waited {}, 99 of 100 {}, or less.",
			percentile_text(all, fine, 50), percentile_text(all, fine, 99)));

	plot.times(svg);
	plot.bands(svg, series);
	svg.line({0, plot.floor()}, {Svg::end, plot.floor()}, "base");
	for (std::size_t bucket = first; bucket < end; bucket++) {
		/* Every other one where they would be too many. */
		if ((end - first) <= 12 || (bucket - first) % 2 == 0)
			svg.text({0, y(bucket) + row - 4},
				 below_text(bucket + 1 < 32
						    ? std::uint64_t{1} << bucket
						    : std::numeric_limits<std::uint64_t>::max()),
				 "num");
	}
	for (std::size_t i = 0; i < timeline.columns.size(); i++) {
		const Column &column = timeline.columns[i];
		const Cell &cell = series.cells[i];
		const double x0 = plot.x(column.begin_us), x1 = plot.x(column.end_us);
		for (std::size_t b = first; b < cell.accept_wait.size(); b++) {
			const std::uint64_t count = cell.accept_wait[b];
			if (!count || !cell.covered_us)
				continue;
			/* Shades are in powers: from one connection to the most in a cell. */
			const double rate = per_second(count, cell.covered_us);
			const double floor_rate = per_second(1, cell.covered_us);
			const double part = largest > floor_rate
						    ? std::log(rate / floor_rate) /
							      std::log(largest / floor_rate)
						    : 1;
			const unsigned shade =
				1 + std::min(static_cast<unsigned>(std::max(part, 0.0) * shades),
					     shades - 1);
			svg.rect(x0, y(b), std::max(x1 - x0 - (x1 - x0 > 4 ? 1 : 0), 1.0), row - 1,
				 fmt::format("h{}", shade),
				 fmt::format("{}  {} waited {}",
					     time_text(timeline.begin_ns, column.end_us,
						       timeline.end_us),
					     count,
					     below_text(b + 1 < 32
								? std::uint64_t{1} << b
								: std::numeric_limits<
									  std::uint64_t>::max())));
		}
	}
	return figure("Waited for accept()",
		      {{"h1", ""},
		       {"h2", ""},
		       {"h3", ""},
		       {"h4", ""},
		       {"h5", ""},
		       {"h6", fmt::format("up to {} per second", number_text(largest))}},
		      fmt::format("p50 {}, p99 {}; 1 ms is 1024 us", percentile_text(all, fine, 50),
				  percentile_text(all, fine, 99)),
		      svg.take());
}

} // namespace lqctl
