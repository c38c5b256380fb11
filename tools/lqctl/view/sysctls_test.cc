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

TEST(sysctls, text__the_kernels_say_who_follows)
{
	EXPECT_EQ(sysctls_text({{"net.core.somaxconn", "4096"},
				{"net.ipv4.tcp_syncookies", "2"},
				{"net.ipv4.tcp_synack_retries", "5"}},
			       {"syncookies"}, false, false),
		  "net.core.somaxconn = 4096 (clamps every backlog as listen() is called)\n"
		  "net.ipv4.tcp_syncookies = 2 (net.listenq.syncookies follows it)\n"
		  "net.ipv4.tcp_synack_retries = 5 (net.listenq.synack_retries does not follow it: "
		  "until \"lqctl set synack_retries=-1\")\n");
	EXPECT_EQ(sysctls_text({{"net.core.somaxconn", "4096"}}, {}, false, true), "4096\n");
	EXPECT_NE(sysctls_text({{"net.core.somaxconn", "4096"}}, {}, true, false)
			  .find("\"net.core.somaxconn\": 4096"),
		  std::string::npos);
}

TEST(sysctls, json__numbers_and_text)
{
	const std::string text = sysctls_text(all, {"syncookies"}, true, false);

	EXPECT_NE(text.find("\"net.listenq.adopt_cgroups\": \"17\""), std::string::npos) << text;
	EXPECT_NE(text.find("\"net.listenq.syncookies\": 2"), std::string::npos) << text;
}

} // namespace
