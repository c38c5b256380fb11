// SPDX-License-Identifier: GPL-2.0
#include "kernel/owners.hh"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

using namespace lqctl;
namespace fs = std::filesystem;

namespace {

class owners : public testing::Test {
protected:
	owners()
	{
		char name[] = "/tmp/lqctl-owners-XXXXXX";
		root = mkdtemp(name);
	}
	~owners() override { fs::remove_all(root); }

	void add(int pid, const std::string &cgroup) const
	{
		fs::create_directories(root / std::to_string(pid));
		std::ofstream(root / std::to_string(pid) / "cgroup") << cgroup;
	}
	[[nodiscard]] std::uint64_t make(const std::string &name) const
	{
		struct stat st {};
		fs::create_directories(root / name);
		EXPECT_EQ(stat((root / name).c_str(), &st), 0);
		return st.st_ino;
	}

	fs::path root;
};

TEST_F(owners, of_processes)
{
	add(20, "1:name=systemd:/ignored\n0::/system.slice/nginx.service\n");
	const Owner owner = owner_of({{"nginx", 20, 6}, {"nginx", 21, 6}}, root);
	EXPECT_EQ(owner.program, "nginx");
	EXPECT_EQ(owner.unit, "nginx.service");
	EXPECT_EQ(owner.cgroup, "/system.slice/nginx.service");
	EXPECT_EQ(owner_of({}, root).program, "");
	/* It went meanwhile. */
	EXPECT_EQ(owner_of({{"gone", 99, 3}}, root).program, "gone");
	EXPECT_EQ(owner_of({{"gone", 99, 3}}, root).cgroup, "");
}

/* systemd holds what it made for others. */
TEST_F(owners, of_a_socket_unit)
{
	add(1, "0::/init.scope\n");
	add(20, "0::/system.slice/a.service\n");
	EXPECT_EQ(owner_of({{"systemd", 1, 30}, {"a", 20, 3}}, root).unit, "a.service");
	EXPECT_EQ(owner_of({{"systemd", 1, 30}, {"systemd", 1, 31}}, root).unit, "init.scope");
}

TEST_F(owners, cgroup_paths)
{
	const std::uint64_t a = make("system.slice/a.service"), top = make("."),
			    b = make("system.slice/b.service/inner");
	const auto paths = cgroup_paths({a, b, top, 1}, root);

	EXPECT_EQ(paths.size(), 3u);
	EXPECT_EQ(paths.at(a), "/system.slice/a.service");
	EXPECT_EQ(paths.at(b), "/system.slice/b.service/inner");
	EXPECT_EQ(paths.at(top), "/");
	EXPECT_TRUE(cgroup_paths({a}, root / "none").empty());
}

} // namespace
