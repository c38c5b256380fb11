/* SPDX-License-Identifier: GPL-2.0 */
/* The figures of one listener: each an HTML figure with its legend and inline SVG, all of them over
 * the same time, so that they can be read one below the other. */
#pragma once

#include <string>
#include <vector>

#include "report/series.hh"

namespace lqctl {

/* Reasons of drops, the most frequent first: their places are their colours. */
struct Palette {
	static constexpr std::size_t colours = 8; /* the last is for all others */
	std::vector<std::uint16_t> reasons;
	[[nodiscard]] std::size_t colour(std::uint16_t name) const;
};
[[nodiscard]] Palette make_palette(const Timeline &timeline);

/* @id: unique in the page, and a valid id. */
[[nodiscard]] std::string accept_queue_figure(const Timeline &timeline, const Series &series,
					      const std::string &id);
[[nodiscard]] std::string syn_queue_figure(const Timeline &timeline, const Series &series,
					   const std::string &id);
[[nodiscard]] std::string rates_figure(const Timeline &timeline, const Series &series,
				       const std::string &id);
/* Empty when nothing was dropped. */
[[nodiscard]] std::string drops_figure(const Timeline &timeline, const Series &series,
				       const Palette &palette, const std::string &id);
/* Empty when nothing was accepted. */
[[nodiscard]] std::string waits_figure(const Timeline &timeline, const Series &series,
				       const std::string &id);

} // namespace lqctl
