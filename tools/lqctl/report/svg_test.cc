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

TEST(svg, title_and_description_are_what_is_read_aloud)
{
	const std::string svg = Svg(10, 20.5, "l0a", "A <b>", "c & d").take();
	EXPECT_EQ(svg,
		  "<svg viewBox=\"0 0 10 20.5\" role=\"img\" aria-labelledby=\"l0a-t l0a-d\">"
		  "<title id=\"l0a-t\">A &lt;b&gt;</title><desc id=\"l0a-d\">c &amp; d</desc>\n"
		  "</svg>\n");
}

TEST(svg, shapes)
{
	Svg svg(1, 1, "i", "", "");
	const std::size_t front = Svg(1, 1, "i", "", "").take().size() - 7;
	svg.rect(1, 2, 3, 4, "c0", "\"<\"");
	svg.path({{0, 0}}, "line");
	svg.path({{0, 0}, {1.25, 2}}, "line", true);
	svg.circle({1, 1}, 2, "peak");
	svg.text({1, 2}, "a<b", "num");
	EXPECT_EQ(svg.take().substr(front),
		  "<rect x=\"1\" y=\"2\" width=\"3\" height=\"4\" class=\"c0\"><title>"
		  "&quot;&lt;&quot;</title></rect>\n"
		  "<path d=\"M0 0L1.2 2Z\" class=\"line\"/>\n"
		  "<circle cx=\"1\" cy=\"1\" r=\"2\" class=\"peak\"/>\n"
		  "<text x=\"1\" y=\"2\" class=\"num\">a&lt;b</text>\n</svg>\n");
}

} // namespace
