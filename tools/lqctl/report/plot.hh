/* SPDX-License-Identifier: GPL-2.0 */
/* The plot of a figure: from time and value to coordinates, and what every plot draws. */
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "report/series.hh"
#include "report/svg.hh"

namespace lqctl {

class Plot final {
public:
	/* Pixels above and below a plot, for half a line of text and for the times. */
	static constexpr double top = 8, bottom = 24;

	Plot(const Timeline &timeline, double height, double largest)
	    : timeline_(timeline), height_(height), largest_(largest)
	{
	}

	[[nodiscard]] double x(std::int64_t us) const
	{
		const double length =
			static_cast<double>(std::max<std::int64_t>(timeline_.end_us, 1));
		return static_cast<double>(us) / length * Svg::end;
	}
	[[nodiscard]] double y(double value) const
	{
		return top + (height_ - top - bottom) * (1 - std::min(value / largest_, 1.0));
	}
	[[nodiscard]] double floor() const { return height_ - bottom; }

	void values(Svg &svg, const std::vector<double> &ticks) const;
	void times(Svg &svg) const;
	/* Behind the lines: overflows, cookies, and times without samples. */
	void bands(Svg &svg, const Series &series) const;
	/* Over everything: one invisible rectangle for each column, which says its numbers. */
	void tooltips(Svg &svg, const Series &series,
		      const std::function<std::string(const Cell &, const Column &)> &say) const;

private:
	void band(Svg &svg, std::int64_t from, std::int64_t to, const char *classes,
		  const char *tooltip) const;

	const Timeline &timeline_;
	double height_, largest_;
};

/* The stretches in which there is something, as runs of points. */
[[nodiscard]] std::vector<std::vector<XY>> runs(const Timeline &timeline, const Series &series,
						const Plot &plot,
						const std::function<double(const Cell &)> &value);

void area(Svg &svg, const Plot &plot, std::vector<XY> points, const std::string &classes);

/* The limit as a dashed line, where an axis that ends at @largest reaches it. */
void draw_limit(Svg &svg, const Timeline &timeline, const Series &series, const Plot &plot,
		std::uint64_t Cell::*limit, double largest);
/* The limit at the end in words, and whether it is above an axis that ends at @largest. */
[[nodiscard]] std::string limit_text(const Series &series, std::uint64_t Cell::*limit,
				     double largest);

/* How high the axis goes: to the limit, unless that would press what there is to the floor. */
[[nodiscard]] double reach(std::uint64_t largest, std::uint64_t limit);
[[nodiscard]] std::uint64_t largest_limit(const Series &series, std::uint64_t Cell::*limit);

/* Where the kernel's peak rose above what samples saw. */
void draw_peaks(Svg &svg, const Timeline &timeline, const Series &series, const Plot &plot,
		std::uint64_t Cell::*qlen, std::uint64_t Cell::*peak);
[[nodiscard]] bool has_peaks(const Series &series, std::uint64_t Cell::*qlen,
			     std::uint64_t Cell::*peak);

} // namespace lqctl
