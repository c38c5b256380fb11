// SPDX-License-Identifier: GPL-2.0
#include "program.hh"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace lqrun;

namespace {

namespace fs = std::filesystem;

class program : public ::testing::Test {
protected:
	void SetUp() override
	{
		char name[] = "/tmp/program_test.XXXXXX";
		ASSERT_NE(mkdtemp(name), nullptr);
		root_ = name;
		helpers_ = fs::read_symlink("/proc/self/exe").parent_path() / "helpers";
	}
	void TearDown() override { fs::remove_all(root_); }

	std::string file(const std::string &name, const std::string &content, mode_t mode)
	{
		fs::path path = root_ / name;
		fs::create_directories(path.parent_path());
		std::ofstream(path) << content;
		chmod(path.c_str(), mode);
		return path;
	}

	int find(const std::string &name, const std::string &path)
	{
		return find_program(name, path, found_).status;
	}

	fs::path root_;
	fs::path helpers_;
	std::string found_;
};

TEST_F(program, find__first_of_path)
{
	file("a/server", "", 0644);
	std::string b = file("b/server", "", 0755);
	file("c/server", "", 0755);
	std::string path = root_ / "a";
	path += ":" + (root_ / "b").string() + ":" + (root_ / "c").string();
	EXPECT_EQ(find("server", path), 0);
	EXPECT_EQ(found_, b);
}

TEST_F(program, find__with_a_slash_path_is_not_searched)
{
	std::string server = file("a/server", "", 0755);
	EXPECT_EQ(find(server, ""), 0);
	EXPECT_EQ(found_, server);
	EXPECT_EQ(find("a/server", root_), 127);
}

TEST_F(program, find__not_found)
{
	EXPECT_EQ(find("server", root_), 127);
	EXPECT_EQ(find(root_ / "server", ""), 127);
	EXPECT_EQ(find("", "/bin"), 127);
}

TEST_F(program, find__not_executable)
{
	std::string server = file("server", "", 0644);
	EXPECT_EQ(find("server", root_), 126);
	EXPECT_EQ(find(server, ""), 126);
	EXPECT_EQ(find(root_, ""), 126);
}

TEST_F(program, check__dynamic)
{
	EXPECT_EQ(check_preloadable(helpers_ / "probe").why, "");
}

TEST_F(program, check__static)
{
	Refusal refusal = check_preloadable(helpers_ / "probe_static");
	EXPECT_EQ(refusal.status, 1);
	EXPECT_NE(refusal.why.find("linked statically"), std::string::npos);
	EXPECT_NE(refusal.why.find("lqctl adopt :PORT"), std::string::npos);
}

TEST_F(program, check__script_by_its_interpreter)
{
	std::string probe = helpers_ / "probe";
	EXPECT_EQ(check_preloadable(file("good", "#!" + probe + "\n", 0755)).why, "");
	EXPECT_EQ(check_preloadable(file("shell", "#! /bin/sh -e\n", 0755)).why, "");
	EXPECT_EQ(check_preloadable(file("none", "#!\n", 0755)).why, "");
	EXPECT_EQ(check_preloadable(file("plain", "exit 0\n", 0755)).why, "");
	std::string script = file("bad", "#!\t" + probe + "_static x\n", 0755);
	EXPECT_EQ(
		check_preloadable(script).why.find(probe + "_static (of " + script + ") is linked"),
		0u);
}

TEST_F(program, check__script_of_itself_ends)
{
	EXPECT_EQ(
		check_preloadable(file("loop", "#!" + (root_ / "loop").string() + "\n", 0755)).why,
		"");
}

TEST_F(program, check__setuid_to_another_user)
{
	std::string setuid = file("setuid", "", 0755);
	if (chown(setuid.c_str(), getuid() + 1, getgid()) != 0)
		GTEST_SKIP() << "only root can give a file away";
	chmod(setuid.c_str(), 04755);
	EXPECT_NE(check_preloadable(setuid).why.find("is setuid"), std::string::npos);
}

TEST_F(program, check__setuid_to_oneself_gains_nothing)
{
	EXPECT_EQ(check_preloadable(file("setuid", "", 04755)).why, "");
}

TEST_F(program, check__setgid)
{
	std::string setgid = file("setgid", "", 0755);
	if (chown(setgid.c_str(), getuid(), getgid() + 1) != 0)
		GTEST_SKIP() << "only root can give a file away";
	chmod(setgid.c_str(), 02755);
	EXPECT_NE(check_preloadable(setgid).why.find("is setgid"), std::string::npos);
}

TEST_F(program, risky_again)
{
	EXPECT_EQ(risky_again(file("plain", "", 0755)), "");
	EXPECT_EQ(risky_again(file("locked", "", 02644)), "");
	EXPECT_NE(risky_again(file("setuid", "", 04755)).find("/setuid is setuid: "),
		  std::string::npos);
	EXPECT_NE(risky_again(file("setgid", "", 02755)).find("lqctl adopt :PORT"),
		  std::string::npos);
	EXPECT_EQ(risky_again(root_ / "none"), "");
}

TEST_F(program, check__other_architecture)
{
	std::ifstream in(helpers_ / "probe", std::ios::binary);
	std::string elf((std::istreambuf_iterator<char>(in)), {});
	elf[18] = 0x7f; /* e_machine */
	EXPECT_NE(check_preloadable(file("alien", elf, 0755)).why.find("another architecture"),
		  std::string::npos);
}

TEST_F(program, check__elf_cut_short)
{
	std::ifstream in(helpers_ / "probe", std::ios::binary);
	std::string elf((std::istreambuf_iterator<char>(in)), {});
	EXPECT_EQ(check_preloadable(file("short", elf.substr(0, 32), 0755)).why, "");
	EXPECT_NE(check_preloadable(file("headless", elf.substr(0, 64), 0755)).why, "");
}

} // namespace
