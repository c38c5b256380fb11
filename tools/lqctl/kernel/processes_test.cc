// SPDX-License-Identifier: GPL-2.0
#include "kernel/processes.hh"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

using namespace lqctl;
namespace fs = std::filesystem;

namespace {

class processes : public testing::Test {
protected:
	processes()
	{
		char name[] = "/tmp/lqctl-process-XXXXXX";
		proc = mkdtemp(name);
	}
	~processes() override { fs::remove_all(proc); }

	void add(int pid, const std::string &comm, const std::string &stat,
		 const std::vector<std::pair<int, std::string>> &fds) const
	{
		const fs::path one = proc / std::to_string(pid);
		fs::create_directories(one / "fd");
		std::ofstream(one / "comm") << comm << '\n';
		std::ofstream(one / "stat") << stat;
		for (const auto &[fd, target] : fds)
			fs::create_symlink(target, one / "fd" / std::to_string(fd));
	}

	fs::path proc;
};

TEST_F(processes, find__sockets_by_inode)
{
	add(20, "nginx", "20 (nginx) S 1",
	    {{7, "socket:[5]"}, {6, "socket:[4]"}, {0, "/dev/null"}});
	add(3, "a) T (b", "3 (a) T (b) T 1", {{9, "socket:[4]"}});
	fs::create_directories(proc / "self" / "fd");
	fs::create_directories(proc / "77"); /* nothing of it may be read */
	const auto found = find_processes(proc);
	ASSERT_EQ(found.size(), 2u);
	ASSERT_EQ(found.at(4).size(), 2u);
	EXPECT_EQ(found.at(4)[0].pid, 3);
	EXPECT_EQ(found.at(4)[0].name, "a) T (b");
	EXPECT_EQ(found.at(4)[0].state, 'T');
	EXPECT_EQ(found.at(4)[1].pid, 20);
	EXPECT_EQ(found.at(4)[1].state, 'S');
	EXPECT_EQ(found.at(5)[0].fd, 7);
}

TEST_F(processes, find__malformed)
{
	add(1, "x", "", {{1, "socket:[]"}, {2, "socket:[x]"}, {3, "socket:[4"}, {4, "pipe:[5]"}});
	EXPECT_TRUE(find_processes(proc).empty());
	EXPECT_TRUE(find_processes(proc / "none").empty());
}

TEST_F(processes, find__a_name_cannot_move_the_cursor)
{
	add(1, "a\033[2Jb", "1 (x) S", {{1, "socket:[4]"}});
	EXPECT_EQ(find_processes(proc).at(4)[0].name, "a?[2Jb");
}

} // namespace
