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

} // namespace
