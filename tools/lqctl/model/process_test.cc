// SPDX-License-Identifier: GPL-2.0
#include "model/process.hh"

#include <gtest/gtest.h>

using namespace lqctl;

namespace {

TEST(process, text)
{
	EXPECT_EQ(processes_text({}), "");
	EXPECT_EQ(processes_text({{"nginx", 1, 6}, {"nginx", 2, 6}}),
		  "users:((\"nginx\",pid=1,fd=6),(\"nginx\",pid=2,fd=6))");
}

TEST(process, holder_text)
{
	EXPECT_EQ(holder_text({}), "-");
	EXPECT_EQ(holder_text({{"nginx", 12, 6}, {"nginx", 12, 7}}), "nginx (pid 12)");
	EXPECT_EQ(holder_text({{"nginx", 12, 6}, {"nginx", 13, 6}, {"x", 14, 6}}),
		  "nginx (pid 12) and 2 more");
}

} // namespace
