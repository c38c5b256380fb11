// SPDX-License-Identifier: GPL-2.0
#include "model/kernel_setting.hh"

#include <gtest/gtest.h>

using namespace lqctl;

namespace {

TEST(kernel_setting, found_by_its_whole_name)
{
	for (const KernelSetting &setting : kernel_settings)
		EXPECT_EQ(find_kernel_setting(setting.name), &setting);
	for (const char *name : {"", "somaxconn", "net.core.somaxconn ", "net.core.rmem_max",
				 "net.ipv4.tcp_syn_retries", "net.listenq.syncookies"})
		EXPECT_EQ(find_kernel_setting(name), nullptr) << name;
}

TEST(kernel_setting, followers__yes_no_and_none)
{
	const KernelSetting &cookies = *find_kernel_setting("net.ipv4.tcp_syncookies");

	EXPECT_EQ(followers(cookies, {"max_syn_backlog", "syncookies"}),
		  "net.listenq.syncookies follows it");
	EXPECT_EQ(followers(cookies, {"max_syn_backlog"}),
		  "net.listenq.syncookies does not follow it: until \"lqctl set syncookies=-1\"");
	EXPECT_EQ(followers(*find_kernel_setting("net.core.somaxconn"), {"syncookies"}),
		  "clamps every backlog as listen() is called");
}

TEST(kernel_setting, each_says_something)
{
	for (const KernelSetting &setting : kernel_settings) {
		EXPECT_FALSE(setting.takes.empty()) << setting.name;
		EXPECT_NE(setting.ours.empty(), setting.says.empty()) << setting.name;
		EXPECT_TRUE(setting.ours.empty() ||
			    setting.name == "net.ipv4.tcp_" + std::string(setting.ours))
			<< setting.name;
	}
}

} // namespace
