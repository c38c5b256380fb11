/* SPDX-License-Identifier: GPL-2.0 */
/* Inline SVG, piece by piece, and the escaping that HTML and SVG share. */
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lqctl {

/* For text and for attributes in double quotes. Bytes that are no UTF-8, and control characters,
 * become U+FFFD. */
[[nodiscard]] std::string escaped(std::string_view text);

/* A coordinate: one decimal at most. */
[[nodiscard]] std::string coordinate(double value);

struct XY {
	double x, y;
};

/* A drawing that is @height pixels high and as wide as the page's style says, in two layers: what
 * is drawn is stretched, what is written and marked over it is not. So x is in thousandths of the
 * width, y in pixels.
 *
 * Names of classes are the page's own and never come from a recording; all other text does, and is
 * escaped here. */
class Svg final {
public:
	static constexpr double end = 1000; /* the largest x */

	/* @title and @description are what a screen reader says. @id: unique in the page. */
	Svg(double height, std::string_view id, std::string_view title,
	    std::string_view description);

	void rect(double x, double y, double width, double height, std::string_view classes,
		  std::string_view tooltip = {});
	void line(XY from, XY to, std::string_view classes);
	/* A polyline; @close fills what it surrounds. Nothing for less than two points. */
	void path(const std::vector<XY> &points, std::string_view classes, bool close = false);
	/* Round and as large at any width; over all that is drawn. @radius: pixels. */
	void circle(XY at, double radius, std::string_view classes, std::string_view tooltip = {});
	void text(XY at, std::string_view text, std::string_view classes);

	/* Ends it. */
	[[nodiscard]] std::string take();

private:
	static void end_shape(std::string &out, std::string_view element, std::string_view tooltip);

	double height_;
	std::string head_, drawn_, over_;
};

} // namespace lqctl
