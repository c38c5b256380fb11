// SPDX-License-Identifier: GPL-2.0
#include "kernel/cgroups.hh"

#include <gtest/gtest.h>

#include "base/error.hh"

using namespace lqctl;

TEST(cgroups, a_list_with_and_without_one)
{
	EXPECT_EQ(with_cgroup("", 7), "7");
	EXPECT_EQ(with_cgroup("12 34", 7), "12 34 7");
	EXPECT_EQ(with_cgroup(" 7  34\n", 7), "34 7");
	EXPECT_EQ(without_cgroup("12 7 34", 7), "12 34");
	EXPECT_EQ(without_cgroup("7", 7), "");
	EXPECT_EQ(without_cgroup("77 17", 7), "77 17");
	EXPECT_EQ(with_cgroup("1", 18446744073709551615u), "1 18446744073709551615");
}

TEST(cgroups, what_is_none)
{
	EXPECT_THROW((void)cgroup_id("/"), Error);
	EXPECT_THROW((void)cgroup_id("/nowhere/at/all"), Error);
	EXPECT_THROW((void)cgroup_id("../../proc/self/status"), Error);
	try {
		(void)cgroup_id("/proc");
		FAIL();
	} catch (const Error &error) {
		EXPECT_NE(std::string(error.what()).find("no cgroup of version 2"),
			  std::string::npos);
	}
}
