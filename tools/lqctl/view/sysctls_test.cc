// SPDX-License-Identifier: GPL-2.0
#include "view/sysctls.hh"

#include <gtest/gtest.h>

using namespace lqctl;

namespace {

const std::vector<std::pair<std::string, std::string>> all = {
	{"adopt_cgroups", "17"}, {"policy", "linux"}, {"shards", "1"}, {"syncookies", "2"}};

TEST(sysctls, text__says_what_follows)
{
	EXPECT_EQ(sysctls_text(all, {"syncookies"}, false, false),
		  "net.listenq.adopt_cgroups = 17\n"
		  "net.listenq.policy = linux\n"
		  "net.listenq.shards = 1\n"
		  "net.listenq.syncookies = 2 (follows net.ipv4.tcp_syncookies)\n");
	EXPECT_EQ(sysctls_text({{"syncookies", "2"}}, {}, false, false),
		  "net.listenq.syncookies = 2\n");
}

TEST(sysctls, text__values_alone)
{
	EXPECT_EQ(sysctls_text(all, {"syncookies"}, false, true), "17\nlinux\n1\n2\n");
}

TEST(sysctls, json__numbers_and_text)
{
	const std::string text = sysctls_text(all, {"syncookies"}, true, false);

	EXPECT_NE(text.find("\"net.listenq.adopt_cgroups\": \"17\""), std::string::npos) << text;
	EXPECT_NE(text.find("\"net.listenq.syncookies\": 2"), std::string::npos) << text;
}

} // namespace
