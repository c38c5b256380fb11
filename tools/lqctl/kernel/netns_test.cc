// SPDX-License-Identifier: GPL-2.0
#include "kernel/netns.hh"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.hh"

using namespace lqctl;

namespace {

std::string error(const std::string &where)
{
	try {
		enter_netns(where);
	} catch (const Error &e) {
		return e.what();
	}
	return "";
}

TEST(netns, enter__what_is_none)
{
	for (const char *where : {"nowhere-at-all", "999999999", "/nonexistent", ""})
		EXPECT_NE(error(where).find("give a name"), std::string::npos) << error(where);
	EXPECT_NE(error("/dev/null"), "");
}

TEST(netns, in_our_netns)
{
	EXPECT_TRUE(in_our_netns(getpid()));
	EXPECT_TRUE(in_our_netns(999999999));
}

} // namespace
