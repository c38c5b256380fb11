// SPDX-License-Identifier: GPL-2.0
#include "base/table.hh"

#include <gtest/gtest.h>

using namespace lqctl;
using enum Table::Align;

namespace {

TEST(table, render__aligned)
{
	Table table({{"Name", left}, {"N", right}, {"Where", left}});
	table.add({"a", "1000", "x"});
	table.add({"abcdef", "1", ""});
	EXPECT_EQ(table.render(true), "Name      N Where\n"
				      "a      1000 x\n"
				      "abcdef    1\n");
}

TEST(table, render__without_header_titles_take_no_room)
{
	Table table({{"Name", left}, {"Number", right}});
	table.add({"a", "1"});
	EXPECT_EQ(table.render(false), "a 1\n");
}

TEST(table, render__text_below_a_row)
{
	Table table({{"Name", left}});
	table.add({"a"}, "  more\n");
	table.add({"b"});
	EXPECT_EQ(table.render(false), "a\n  more\nb\n");
}

TEST(table, render__width_in_characters)
{
	Table table({{"A", right}, {"B", left}});
	table.add({"1→2", "x"});
	table.add({"12345", "y"});
	EXPECT_EQ(table.render(false), "  1→2 x\n12345 y\n");
}

TEST(table, render__missing_cells)
{
	Table table({{"A", left}, {"B", left}});
	table.add({"x"});
	EXPECT_EQ(table.render(false), "x\n");
}

} // namespace
