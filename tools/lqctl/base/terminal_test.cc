// SPDX-License-Identifier: GPL-2.0
#include "base/terminal.hh"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/table.hh"

using namespace lqctl;

namespace {

TEST(terminal, paint)
{
	EXPECT_EQ(paint("x", Tone::bad, true), "\033[31mx\033[0m");
	EXPECT_EQ(paint("x", Tone::bad, false), "x");
	EXPECT_EQ(paint("x", Tone::plain, true), "x");
	EXPECT_EQ(paint("", Tone::bad, true), "");
}

TEST(terminal, level_tone)
{
	EXPECT_EQ(level_tone(79, 100), Tone::plain);
	EXPECT_EQ(level_tone(80, 100), Tone::warn);
	EXPECT_EQ(level_tone(100, 100), Tone::bad);
	EXPECT_EQ(level_tone(0, 0), Tone::plain);
}

TEST(terminal, wrapped)
{
	EXPECT_EQ(wrapped("a bb ccc", "  ", 6), "  a bb\n  ccc\n");
	EXPECT_EQ(wrapped("longerthanthat x", "  ", 6), "  longerthanthat\n  x\n");
	EXPECT_EQ(wrapped("", "  ", 6), "  \n");
	/* A number and its unit. */
	EXPECT_EQ(wrapped("in 40 ms, 3 so 2 %", "", 6), "in\n40 ms,\n3 so\n2 %\n");
	EXPECT_EQ(wrapped("a1 sa 5", "", 5), "a1 sa\n5\n");
}

TEST(terminal, no_terminal_no_colour)
{
	/* Tests run with their output in a file or pipe, or in a terminal: only the first is sure.
	 */
	if (!isatty(STDOUT_FILENO)) {
		EXPECT_FALSE(stdout_terminal().colour);
		EXPECT_EQ(stdout_terminal().columns, 0u);
	}
}

TEST(terminal, a_table_gives_up_columns)
{
	using enum Table::Align;
	Table table({{"A", left, 2}, {"BB", right}, {"C", left, 1}});
	table.add({"aaaa", {"b", Tone::bad}, "cccc"});
	EXPECT_EQ(table.render(true, {false, 12}), "A    BB C\naaaa  b cccc\n");
	EXPECT_EQ(table.render(true, {false, 11}), "A    BB\naaaa  b\n");
	EXPECT_EQ(table.render(true, {false, 6}), "BB\n b\n");
	EXPECT_EQ(table.render(false, {false, 1}), "b\n");
	EXPECT_EQ(table.render(false, {true, 1}), "\033[31mb\033[0m\n");
}

} // namespace
