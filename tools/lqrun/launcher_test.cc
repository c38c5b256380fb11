// SPDX-License-Identifier: GPL-2.0
#include "launcher.hh"

#include <gtest/gtest.h>

#include <algorithm>

using namespace lqrun;

namespace {

using Words = std::vector<std::string>;

bool loses(const std::string &file, const Words &arguments)
{
	return !loses_library(file, arguments).empty();
}

TEST(launcher, env)
{
	for (const Words &clears :
	     {Words{"-i", "nginx"}, Words{"-", "nginx"}, Words{"--ignore-environment", "nginx"},
	      Words{"A=b", "-i", "nginx"}, Words{"-vi", "nginx"}, Words{"-C", "/", "-i", "nginx"},
	      Words{"-u", "LD_PRELOAD", "nginx"}, Words{"--unset=LD_PRELOAD", "nginx"},
	      Words{"-u", "HOME", "-i", "nginx"}, Words{"LD_PRELOAD=", "nginx"}})
		EXPECT_TRUE(loses("/usr/bin/env", clears)) << testing::PrintToString(clears);
	for (const Words &keeps :
	     {Words{}, Words{"nginx"}, Words{"nginx", "-i"}, Words{"A=b", "nginx", "-i"},
	      Words{"-u", "HOME", "nginx"}, Words{"-uiii", "nginx"}, Words{"-C", "-i", "nginx"},
	      Words{"-u"}, Words{"--unset"}, Words{"-v", "nginx", "-"}})
		EXPECT_FALSE(loses("/usr/bin/env", keeps)) << testing::PrintToString(keeps);
}

TEST(launcher, su_as_a_login)
{
	for (const char *name : {"/bin/su", "/sbin/runuser"}) {
		for (const Words &clears :
		     {Words{"-"}, Words{"-", "www"}, Words{"-l", "www"}, Words{"--login", "www"},
		      Words{"-s", "/bin/sh", "-l", "www", "-c", "nginx"}, Words{"-lc", "nginx"}})
			EXPECT_TRUE(loses(name, clears)) << testing::PrintToString(clears);
		for (const Words &keeps :
		     {Words{}, Words{"www"}, Words{"www", "-c", "nginx -l"}, Words{"-cls", "www"},
		      Words{"-p", "www"}, Words{"www", "--", "-l"}})
			EXPECT_FALSE(loses(name, keeps)) << testing::PrintToString(keeps);
	}
}

TEST(launcher, always_and_never)
{
	for (const char *name : {"/usr/sbin/service", "/usr/bin/pg_ctlcluster", "sudo", "doas"})
		EXPECT_NE(loses_library(name, {}).find("clears the environment"), std::string::npos)
			<< name;
	for (const char *name : {"/bin/systemctl", "/usr/bin/systemd-run", "docker"})
		EXPECT_NE(loses_library(name, {}).find("another process"), std::string::npos)
			<< name;
	EXPECT_TRUE(loses("/usr/bin/setpriv", {"--reuid", "1", "--reset-env", "nginx"}));
	EXPECT_FALSE(loses("/usr/bin/setpriv", {"--reuid", "1", "nginx"}));
	/* These hand their environment on. */
	for (const char *name : {"nginx", "/bin/sh", "nohup", "start-stop-daemon", "nice", ""})
		EXPECT_FALSE(loses(name, {"-i", "-l", "-"})) << name;
	EXPECT_NE(loses_library("sudo", {}).find("lqctl adopt :PORT"), std::string::npos);
}

} // namespace
