// SPDX-License-Identifier: GPL-2.0
#include "report/svg.hh"

#include <gtest/gtest.h>

#include <cmath>

using namespace lqctl;

namespace {

TEST(svg, escaped__markup)
{
	EXPECT_EQ(escaped("<script>alert('x\"&')</script>"),
		  "&lt;script&gt;alert(&#39;x&quot;&amp;&#39;)&lt;/script&gt;");
	EXPECT_EQ(escaped(""), "");
	EXPECT_EQ(escaped("[::]:80"), "[::]:80");
}

TEST(svg, escaped__utf8_stays)
{
	EXPECT_EQ(escaped("1 → 2, ≥, 🙂"), "1 → 2, ≥, 🙂");
}

TEST(svg, escaped__what_is_no_utf8)
{
	EXPECT_EQ(escaped("a\xff"
			  "b"),
		  "a\ufffd"
		  "b");
	EXPECT_EQ(escaped("\xc3"), "\ufffd");			  /* cut */
	EXPECT_EQ(escaped("\xc0\xbc"), "\ufffd\ufffd");		  /* overlong "<" */
	EXPECT_EQ(escaped("\xe0\x80\xbc"), "\ufffd\ufffd\ufffd"); /* the same */
	EXPECT_EQ(escaped("\xed\xa0\x80"), "\ufffd\ufffd\ufffd"); /* a surrogate */
	EXPECT_EQ(escaped("\xf4\x90\x80\x80"), "\ufffd\ufffd\ufffd\ufffd");
}

TEST(svg, escaped__control_characters)
{
	EXPECT_EQ(escaped(std::string_view("a\0b\x1b[31m\x7f", 9)), "a\ufffdb\ufffd[31m\ufffd");
	EXPECT_EQ(escaped("a\tb\n"), "a\tb\n");
}

TEST(svg, coordinate)
{
	EXPECT_EQ(coordinate(0), "0");
	EXPECT_EQ(coordinate(12), "12");
	EXPECT_EQ(coordinate(12.34), "12.3");
	EXPECT_EQ(coordinate(-0.01), "0");
	EXPECT_EQ(coordinate(std::nan("")), "0");
}

constexpr const char *head =
	"<div class=\"figure\" role=\"img\" aria-labelledby=\"l0a-t l0a-d\"><svg class=\"drawn\" "
	"height=\"20.5\" viewBox=\"0 0 1000 20.5\" preserveAspectRatio=\"none\">"
	"<title id=\"l0a-t\">A &lt;b&gt;</title><desc id=\"l0a-d\">c &amp; d</desc>\n";

/* A figure with these shapes drawn and these laid over them. */
std::string figure(const std::string &drawn, const std::string &over)
{
	return head + drawn + "</svg>\n<svg class=\"over\" height=\"20.5\">\n" + over +
	       "</svg></div>\n";
}

TEST(svg, title_and_description_are_what_is_read_aloud)
{
	EXPECT_EQ(Svg(20.5, "l0a", "A <b>", "c & d").take(), figure("", ""));
}

/* What is stretched with the page, and what is not: words and rings. */
TEST(svg, shapes)
{
	Svg svg(20.5, "l0a", "A <b>", "c & d");
	svg.text({500, 2}, "a<b", "num");
	svg.rect(1, 2, 3, 4, "c0", "\"<\"");
	svg.path({{0, 0}}, "line");
	svg.path({{0, 0}, {1.25, 2}}, "line", true);
	svg.circle({1000, 1}, 2, "peak", "5");
	svg.line({0, 1}, {1000, 1}, "base");
	EXPECT_EQ(svg.take(),
		  figure("<rect x=\"1\" y=\"2\" width=\"3\" height=\"4\" class=\"c0\"><title>"
			 "&quot;&lt;&quot;</title></rect>\n"
			 "<path d=\"M0 0L1.2 2Z\" class=\"line\"/>\n"
			 "<path d=\"M0 1L1000 1\" class=\"base\"/>\n",
			 "<text x=\"50%\" y=\"2\" class=\"num\">a&lt;b</text>\n"
			 "<circle cx=\"100%\" cy=\"1\" r=\"2\" class=\"peak\"><title>5</title>"
			 "</circle>\n"));
}

} // namespace
