// SPDX-License-Identifier: GPL-2.0
/* What every plot draws: axes, bands, limits, peaks and areas. */
#include "report/plot.hh"

#include <fmt/core.h>

#include <algorithm>

#include "report/axis.hh"

namespace lqctl {

void Plot::values(Svg &svg, const std::vector<double> &ticks) const
{
	for (const double tick : ticks) {
		svg.line({0, y(tick)}, {Svg::end, y(tick)}, tick == 0 ? "base" : "grid");
		svg.text({0, y(tick) + 4}, number_text(tick), "num");
	}
}

void Plot::times(Svg &svg) const
{
	bool second = false;

	for (const TimeTick &tick : time_ticks(timeline_.begin_ns, timeline_.end_us, 8)) {
		svg.line({x(tick.us), top}, {x(tick.us), floor()}, "grid");
		/* Where the page is narrow, there is room for half of them. */
		svg.text({x(tick.us), floor() + 16}, tick.text, second ? "time second" : "time");
		second = !second;
	}
}

void Plot::band(Svg &svg, std::int64_t from, std::int64_t to, const char *classes,
		const char *tooltip) const
{
	const double x0 = x(from);
	svg.rect(x0, top, std::max(x(to) - x0, 1.5), floor() - top, classes, tooltip);
}

void Plot::bands(Svg &svg, const Series &series) const
{
	for (const Column &column : timeline_.columns) {
		if (column.gap)
			band(svg, column.begin_us, column.end_us, "gap", "no samples were taken");
	}
	for (const Episode &e : series.cookies)
		band(svg, e.begin_us, e.end_us, "band-cookies", "SYN cookies");
	for (const Episode &e : series.overflows)
		band(svg, e.begin_us, e.end_us, "band-overflow", "overflow");
}

void Plot::tooltips(Svg &svg, const Series &series,
		    const std::function<std::string(const Cell &, const Column &)> &say) const
{
	for (std::size_t i = 0; i < timeline_.columns.size(); i++) {
		const Column &column = timeline_.columns[i];
		const Cell &cell = series.cells[i];
		if (!cell.sampled && !cell.covered_us)
			continue;
		svg.rect(x(column.begin_us), top, x(column.end_us) - x(column.begin_us),
			 floor() - top, "hit",
			 time_text(timeline_.begin_ns, column.end_us, timeline_.end_us) + "  " +
				 say(cell, column));
	}
}

std::vector<std::vector<XY>> runs(const Timeline &timeline, const Series &series, const Plot &plot,
				  const std::function<double(const Cell &)> &value)
{
	std::vector<std::vector<XY>> out(1);

	for (std::size_t i = 0; i < timeline.columns.size(); i++) {
		const Column &column = timeline.columns[i];
		const Cell &cell = series.cells[i];
		if (column.gap || !cell.sampled) {
			out.emplace_back();
			if (!cell.sampled)
				continue;
		}
		/* The first sample of all has no column that ends with it. */
		if (out.back().empty() && !column.gap && series.begin_us <= column.begin_us &&
		    !series.came)
			out.back().push_back({plot.x(column.begin_us), plot.y(value(cell))});
		out.back().push_back({plot.x(column.end_us), plot.y(value(cell))});
	}
	/* What was seen once is seen. */
	for (auto &run : out) {
		if (run.size() == 1)
			run.insert(run.begin(), {run[0].x - 3, run[0].y});
	}
	return out;
}

void area(Svg &svg, const Plot &plot, std::vector<XY> points, const std::string &classes)
{
	if (points.size() < 2)
		return;
	svg.path(points, "line " + classes);
	points.push_back({points.back().x, plot.floor()});
	points.push_back({points.front().x, plot.floor()});
	svg.path(points, "area " + classes, true);
}

void draw_limit(Svg &svg, const Timeline &timeline, const Series &series, const Plot &plot,
		std::uint64_t Cell::*limit, double largest)
{
	const bool all = static_cast<double>(largest_limit(series, limit)) <= largest;

	for (const auto &run : runs(timeline, series, plot, [&](const Cell &cell) {
		     return static_cast<double>(cell.*limit);
	     }))
		if (!run.empty() && (all || run.back().y > Plot::top + 0.01))
			svg.path(run, "limit");
}

std::string limit_text(const Series &series, std::uint64_t Cell::*limit, double largest)
{
	double last = 0;

	for (const Cell &cell : series.cells) {
		if (cell.sampled)
			last = static_cast<double>(cell.*limit);
	}
	return fmt::format("limit {}{}", number_text(last), last > largest ? ", above" : "");
}

double reach(std::uint64_t largest, std::uint64_t limit)
{
	if (largest * 5 >= limit)
		return static_cast<double>(std::max(largest, limit));
	return static_cast<double>(std::max<std::uint64_t>(largest, 4));
}

std::uint64_t largest_limit(const Series &series, std::uint64_t Cell::*limit)
{
	std::uint64_t largest = 0;
	for (const Cell &cell : series.cells)
		largest = std::max(largest, cell.*limit);
	return largest;
}

void draw_peaks(Svg &svg, const Timeline &timeline, const Series &series, const Plot &plot,
		std::uint64_t Cell::*qlen, std::uint64_t Cell::*peak)
{
	for (std::size_t i = 0; i < timeline.columns.size(); i++) {
		const Column &column = timeline.columns[i];
		const Cell &cell = series.cells[i];
		if (cell.*peak <= cell.*qlen)
			continue;
		const double x = (plot.x(column.begin_us) + plot.x(column.end_us)) / 2;
		svg.circle({x, plot.y(static_cast<double>(cell.*peak))}, 3, "peak",
			   fmt::format("reached {} between samples", cell.*peak));
	}
}

bool has_peaks(const Series &series, std::uint64_t Cell::*qlen, std::uint64_t Cell::*peak)
{
	return std::any_of(series.cells.begin(), series.cells.end(),
			   [&](const Cell &cell) { return cell.*peak > cell.*qlen; });
}

} // namespace lqctl
