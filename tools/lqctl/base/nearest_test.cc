// SPDX-License-Identifier: GPL-2.0
#include "base/nearest.hh"

#include <gtest/gtest.h>

using namespace lqctl;

namespace {

TEST(nearest, distance)
{
	EXPECT_EQ(distance("list", "list"), 0u);
	EXPECT_EQ(distance("lst", "list"), 1u);
	EXPECT_EQ(distance("lits", "list"), 1u) << "swapped";
	EXPECT_EQ(distance("", "list"), 4u);
	EXPECT_EQ(distance("show", "list"), 4u);
}

TEST(nearest, word)
{
	const std::vector<std::string> words = {"list", "show", "set", "reset"};
	EXPECT_EQ(nearest("lst", words), "list");
	EXPECT_EQ(nearest("shwo", words), "show");
	EXPECT_EQ(nearest("rset", words), "set") << "of two that are as near the first";
	EXPECT_EQ(nearest("python3", words), "");
	EXPECT_EQ(nearest("x", words), "");
	EXPECT_EQ(nearest("", words), "");
	EXPECT_EQ(nearest(std::string(100000, 'x'), words), "");
}

} // namespace
