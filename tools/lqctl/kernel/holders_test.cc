// SPDX-License-Identifier: GPL-2.0
#include "kernel/holders.hh"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

using namespace lqctl;
namespace fs = std::filesystem;

namespace {

class holders : public testing::Test {
protected:
	holders()
	{
		char name[] = "/tmp/lqctl-holders-XXXXXX";
		root = mkdtemp(name);
	}
	~holders() override { fs::remove_all(root); }

	void file(const std::string &path, const std::string &content) const
	{
		fs::create_directories((root / path).parent_path());
		std::ofstream(root / path) << content;
	}
	std::vector<Holder> read(const std::vector<Process> &processes) const
	{
		return read_holders(processes, root / "proc", root / "cgroup");
	}

	fs::path root;
};

TEST_F(holders, read__everything)
{
	file("proc/20/status", "Name:\tnginx\nState:\tt (tracing stop)\nTracerPid:\t77\n");
	file("proc/20/wchan", "ep_poll");
	file("proc/20/limits", "Limit                     Soft Limit           Hard Limit\n"
			       "Max open files            3                    524288     files\n");
	file("proc/20/cmdline", std::string("nginx\0-g\0daemon off;\0", 21));
	file("proc/20/cgroup", "0::/system.slice/nginx.service\n");
	for (const char *fd : {"0", "1", "6"})
		file(std::string("proc/20/fd/") + fd, "");
	file("cgroup/system.slice/nginx.service/cgroup.events", "populated 1\nfrozen 1\n");
	file("cgroup/system.slice/nginx.service/cpu.stat",
	     "usage_usec 5\nnr_throttled 3\nthrottled_usec 4500\n");
	file("cgroup/system.slice/nginx.service/memory.events", "low 0\nhigh 12\nmax 0\n");
	file("cgroup/system.slice/nginx.service/memory.pressure",
	     "some avg10=31.50 avg60=2.00 avg300=0.10 total=9\nfull avg10=1.00 avg60=0 total=1\n");
	const auto all = read({{"nginx", 20, 6, 'S'}, {"nginx", 20, 7, 'S'}});
	ASSERT_EQ(all.size(), 1u) << "one for each process";
	const Holder &h = all[0];
	EXPECT_EQ(h.pid, 20);
	EXPECT_EQ(h.state, 't');
	EXPECT_EQ(h.tracer, 77);
	EXPECT_EQ(h.wchan, "ep_poll");
	EXPECT_EQ(h.descriptors, 3u);
	EXPECT_EQ(h.descriptor_limit, 3u);
	EXPECT_TRUE(h.is_out_of_descriptors());
	EXPECT_EQ(h.command, "nginx -g 'daemon off;'");
	EXPECT_EQ(h.cgroup, "/system.slice/nginx.service");
	EXPECT_TRUE(h.frozen);
	EXPECT_EQ(h.throttled_us, 4500u);
	EXPECT_EQ(h.memory_high, 12u);
	EXPECT_DOUBLE_EQ(h.memory_stall, 31.5);
}

TEST_F(holders, read__a_title_is_no_command)
{
	const auto command = [&](const std::string &title, const char *exe = "/usr/sbin/x y",
				 std::size_t zeros = 3) {
		file("proc/20/status", "Name:\tx\nState:\tS (sleeping)\n");
		file("proc/20/cmdline", title + std::string(zeros, '\0'));
		fs::remove(root / "proc/20/exe");
		if (exe)
			fs::create_symlink(exe, root / "proc/20/exe");
		return read({{"x", 20, 6, 'S'}}).at(0).command;
	};

	EXPECT_EQ(command("nginx: master process nginx -e /tmp/a -c /tmp/b"),
		  "nginx -e /tmp/a -c /tmp/b");
	EXPECT_EQ(command("x: master process a | sh $HOME `b`"), "a '|' sh '$HOME' '`b`'");
	for (const char *title :
	     {"nginx: master process /usr/sbin/nginx -g daemon on; master_process on;",
	      "nginx: worker process", "php-fpm: master process (/etc/php/fpm.conf)",
	      "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", "x:"})
		EXPECT_EQ(command(title), "'/usr/sbin/x y'") << title;
	EXPECT_EQ(command("sshd: a", nullptr), "");
	EXPECT_EQ(command(std::string("a\0b: c", 6), nullptr, 1), "a 'b: c'");
	EXPECT_EQ(command("http://a", nullptr, 1), "http://a");
}

TEST_F(holders, read__what_is_not_there_is_not_known)
{
	file("proc/21/status", "Name:\tx\nState:\tS (sleeping)\n");
	file("proc/21/wchan", "0");
	file("proc/21/cgroup", "1:name=systemd:/x\n0::/../outside\n");
	const auto all = read({{"x", 21, 3, 'S'}, {"gone", 22, 3, 'S'}});
	ASSERT_EQ(all.size(), 1u) << "the other has gone";
	EXPECT_EQ(all[0].wchan, "");
	EXPECT_EQ(all[0].descriptor_limit, 0u);
	EXPECT_FALSE(all[0].is_out_of_descriptors());
	EXPECT_EQ(all[0].cgroup, "");
	EXPECT_FALSE(all[0].frozen);
}

TEST_F(holders, read__no_more_than_64)
{
	std::vector<Process> many;
	for (int pid = 1; pid <= 80; pid++) {
		file("proc/" + std::to_string(pid) + "/status", "State:\tS (sleeping)\n");
		many.push_back({"x", pid, 3, 'S'});
	}
	EXPECT_EQ(read(many).size(), 64u);
}

} // namespace
