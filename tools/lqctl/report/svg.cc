// SPDX-License-Identifier: GPL-2.0
/* SVG: shapes as text. */
#include "report/svg.hh"

#include <fmt/core.h>

#include <cmath>

namespace lqctl {

namespace {

constexpr std::string_view replacement = "\ufffd";

/* How many bytes the UTF-8 character at the front has; 0: it is none (RFC 3629). */
std::size_t utf8_length(std::string_view text)
{
	const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
	const unsigned char first = byte(0);
	const std::size_t length = first < 0x80			    ? 1
				   : first >= 0xc2 && first <= 0xdf ? 2
				   : first >= 0xe0 && first <= 0xef ? 3
				   : first >= 0xf0 && first <= 0xf4 ? 4
								    : 0;
	if (length == 0 || length > text.size())
		return 0;
	for (std::size_t i = 1; i < length; i++) {
		if ((byte(i) & 0xc0) != 0x80)
			return 0;
	}
	if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
	    (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f))
		return 0;
	return length;
}

} // namespace

std::string escaped(std::string_view text)
{
	std::string out;

	while (!text.empty()) {
		const std::size_t length = utf8_length(text);
		const char c = text.front();
		if (length == 0 || (c >= 0 && c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
			out += replacement;
		else if (c == '&')
			out += "&amp;";
		else if (c == '<')
			out += "&lt;";
		else if (c == '>')
			out += "&gt;";
		else if (c == '"')
			out += "&quot;";
		else if (c == '\'')
			out += "&#39;";
		else
			out += text.substr(0, length);
		text.remove_prefix(std::max<std::size_t>(length, 1));
	}
	return out;
}

std::string coordinate(double value)
{
	if (!std::isfinite(value))
		return "0";
	std::string text = fmt::format("{:.1f}", value);
	if (text.ends_with(".0"))
		text.resize(text.size() - 2);
	return text == "-0" ? "0" : text;
}

Svg::Svg(double height, std::string_view id, std::string_view title, std::string_view description)
    : height_(height)
{
	head_ = fmt::format("<div class=\"figure\" role=\"img\" aria-labelledby=\"{0}-t {0}-d\">"
			    "<svg class=\"drawn\" height=\"{1}\" viewBox=\"0 0 {2} {1}\" "
			    "preserveAspectRatio=\"none\"><title id=\"{0}-t\">{3}</title>"
			    "<desc id=\"{0}-d\">{4}</desc>\n",
			    id, coordinate(height), coordinate(end), escaped(title),
			    escaped(description));
}

void Svg::end_shape(std::string &out, std::string_view element, std::string_view tooltip)
{
	if (tooltip.empty())
		out += "/>\n";
	else
		out += fmt::format("><title>{}</title></{}>\n", escaped(tooltip), element);
}

void Svg::rect(double x, double y, double width, double height, std::string_view classes,
	       std::string_view tooltip)
{
	drawn_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"{}\"",
			      coordinate(x), coordinate(y), coordinate(width), coordinate(height),
			      classes);
	end_shape(drawn_, "rect", tooltip);
}

void Svg::line(XY from, XY to, std::string_view classes)
{
	drawn_ += fmt::format("<path d=\"M{} {}L{} {}\" class=\"{}\"/>\n", coordinate(from.x),
			      coordinate(from.y), coordinate(to.x), coordinate(to.y), classes);
}

void Svg::path(const std::vector<XY> &points, std::string_view classes, bool close)
{
	if (points.size() < 2)
		return;
	drawn_ += "<path d=\"";
	for (std::size_t i = 0; i < points.size(); i++)
		drawn_ += fmt::format("{}{} {}", i ? 'L' : 'M', coordinate(points[i].x),
				      coordinate(points[i].y));
	drawn_ += fmt::format("{}\" class=\"{}\"/>\n", close ? "Z" : "", classes);
}

void Svg::circle(XY at, double radius, std::string_view classes, std::string_view tooltip)
{
	over_ += fmt::format("<circle cx=\"{}%\" cy=\"{}\" r=\"{}\" class=\"{}\"",
			     coordinate(100 * at.x / end), coordinate(at.y), coordinate(radius),
			     classes);
	end_shape(over_, "circle", tooltip);
}

void Svg::text(XY at, std::string_view text, std::string_view classes)
{
	over_ +=
		fmt::format("<text x=\"{}%\" y=\"{}\" class=\"{}\">{}</text>\n",
			    coordinate(100 * at.x / end), coordinate(at.y), classes, escaped(text));
}

std::string Svg::take()
{
	return fmt::format("{}{}</svg>\n<svg class=\"over\" height=\"{}\">\n{}</svg></div>\n",
			   head_, drawn_, coordinate(height_), over_);
}

} // namespace lqctl
