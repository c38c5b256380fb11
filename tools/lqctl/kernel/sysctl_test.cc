// SPDX-License-Identifier: GPL-2.0
#include "kernel/sysctl.hh"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "base/error.hh"

using namespace lqctl;

namespace {

/* Stands for /proc/sys/net and its listenq. */
class sysctl : public ::testing::Test {
protected:
	void SetUp() override
	{
		char name[] = "/tmp/sysctl_test.XXXXXX";
		ASSERT_NE(mkdtemp(name), nullptr);
		net_ = name;
		root_ = net_ / "listenq";
		std::filesystem::create_directory(root_);
		std::ofstream(root_ / "policy") << "linux\n";
		std::ofstream(root_ / "max_syn_backlog") << "256\n";
		std::filesystem::create_directory(root_ / "conf");
	}
	void TearDown() override { std::filesystem::remove_all(net_); }

	std::string error_of(const std::function<void()> &call)
	{
		try {
			call();
		} catch (const Error &error) {
			return error.what();
		}
		return "no error";
	}

	std::filesystem::path net_, root_;
};

TEST_F(sysctl, names__sorted_files_only)
{
	EXPECT_EQ(SysctlDir(root_).names(),
		  (std::vector<std::string>{"max_syn_backlog", "policy"}));
}

TEST_F(sysctl, names__no_directory_is_no_module)
{
	try {
		SysctlDir dir(root_ / "absent");
		FAIL();
	} catch (const Error &error) {
		EXPECT_EQ(error.status(), Exit::no_module);
	}
}

TEST_F(sysctl, resolve__with_and_without_prefix)
{
	SysctlDir dir(root_);
	for (const char *name : {"policy", "net.listenq.policy", "net/listenq/policy"})
		EXPECT_EQ(dir.resolve(name), "policy");
}

TEST_F(sysctl, resolve__unknown_lists_the_known)
{
	SysctlDir dir(root_);
	for (const char *name : {"polcy", "", "../policy", "conf", "net.core.policy"})
		EXPECT_EQ(error_of([&] { (void)dir.resolve(name); }),
			  "there is no setting \"" + std::string(name) +
				  "\": the module has max_syn_backlog, policy; and of the kernel's "
				  "net.core.somaxconn, net.ipv4.tcp_abort_on_overflow, "
				  "net.ipv4.tcp_max_syn_backlog, net.ipv4.tcp_migrate_req, "
				  "net.ipv4.tcp_synack_retries, net.ipv4.tcp_syncookies");
}

TEST_F(sysctl, read__without_newline)
{
	EXPECT_EQ(SysctlDir(root_).read("policy"), "linux");
}

TEST_F(sysctl, read__gone)
{
	SysctlDir dir(root_);
	EXPECT_NE(error_of([&] { (void)dir.read("gone"); }).find("cannot be read"),
		  std::string::npos);
}

TEST_F(sysctl, following__by_name)
{
	EXPECT_TRUE(SysctlDir(root_).following().empty()); /* an older module */
	std::ofstream(root_ / "following") << "max_syn_backlog syncookies\n";
	EXPECT_EQ(SysctlDir(root_).following(),
		  (std::vector<std::string>{"max_syn_backlog", "syncookies"}));
	std::ofstream(root_ / "following") << "\n";
	EXPECT_TRUE(SysctlDir(root_).following().empty());
}

TEST_F(sysctl, write__then_read)
{
	SysctlDir dir(root_);
	dir.write("max_syn_backlog", "1024");
	EXPECT_EQ(dir.read("max_syn_backlog"), "1024");
}

TEST_F(sysctl, of_the_kernels__beside_ours)
{
	std::filesystem::create_directory(net_ / "core");
	std::ofstream(net_ / "core/somaxconn") << "4096\n";
	SysctlDir dir(root_);
	for (const char *name : {"net.core.somaxconn", "net/core/somaxconn"})
		EXPECT_EQ(dir.resolve(name), "net.core.somaxconn");
	EXPECT_EQ(dir.read("net.core.somaxconn"), "4096");
	dir.write("net.core.somaxconn", "128");
	EXPECT_EQ(dir.read("net.core.somaxconn"), "128");
	/* A kernel that lacks one. */
	EXPECT_EQ(error_of([&] { (void)dir.read("net.ipv4.tcp_migrate_req"); }),
		  "net.ipv4.tcp_migrate_req cannot be read: No such file or directory");
	EXPECT_EQ(error_of([&] { dir.write("net.ipv4.tcp_migrate_req", "1"); }),
		  "net.ipv4.tcp_migrate_req cannot be set: No such file or directory");
}

TEST(write_error, of_the_kernels)
{
	EXPECT_STREQ(write_error("net.core.somaxconn", "-1", EINVAL).what(),
		     "net.core.somaxconn does not take \"-1\": give a number from 0 to "
		     "2147483647");
	EXPECT_STREQ(write_error("net.ipv4.tcp_syncookies", "1", EACCES).what(),
		     "net.ipv4.tcp_syncookies cannot be set: needs CAP_NET_ADMIN in the network "
		     "namespace's user namespace");
}

TEST(write_error, einval__says_what_fits)
{
	EXPECT_STREQ(write_error("abort_on_overflow", "7", EINVAL).what(),
		     "net.listenq.abort_on_overflow does not take \"7\": give 0 or 1, or -1, to "
		     "follow net.ipv4.tcp_abort_on_overflow");
	EXPECT_STREQ(write_error("adopt", "7", EINVAL).what(),
		     "net.listenq.adopt does not take \"7\": give 0 or 1");
	EXPECT_STREQ(write_error("of_the_future", "7", EINVAL).what(),
		     "net.listenq.of_the_future does not take \"7\": give another value");
}

TEST(write_error, eperm__says_what_is_needed)
{
	for (int code : {EPERM, EACCES})
		EXPECT_STREQ(write_error("policy", "bsd", code).what(),
			     "net.listenq.policy cannot be set: needs CAP_NET_ADMIN in the network "
			     "namespace's user namespace");
}

TEST(write_error, of_what_is_only_read)
{
	EXPECT_NE(std::string(write_error("following", "x", EACCES).what())
			  .find("set one of them to -1"),
		  std::string::npos);
}

TEST(write_error, erofs_and_others)
{
	EXPECT_NE(std::string(write_error("policy", "bsd", EROFS).what()).find("read-only"),
		  std::string::npos);
	EXPECT_STREQ(write_error("policy", "bsd", EIO).what(),
		     "net.listenq.policy cannot be set: Input/output error");
}

TEST(parse_assignment, name_and_value)
{
	EXPECT_EQ(parse_assignment("policy=linux"),
		  std::make_pair(std::string("policy"), std::string("linux")));
	EXPECT_EQ(parse_assignment("a=b=c").second, "b=c");
	EXPECT_EQ(parse_assignment("synack_retries=-1").second, "-1");
}

TEST(parse_assignment, bad)
{
	for (const char *text : {"", "policy", "=linux", "policy=", "policy=a\nb"})
		EXPECT_THROW((void)parse_assignment(text), Error) << text;
}

} // namespace
