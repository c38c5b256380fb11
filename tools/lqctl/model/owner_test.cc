// SPDX-License-Identifier: GPL-2.0
#include "model/owner.hh"

#include <gtest/gtest.h>

using namespace lqctl;

namespace {

TEST(owner, units)
{
	EXPECT_EQ(owner_of_cgroup("/system.slice/nginx.service").unit, "nginx.service");
	EXPECT_EQ(owner_of_cgroup("/system.slice/nginx.service").cgroup,
		  "/system.slice/nginx.service");
	EXPECT_EQ(owner_of_cgroup("/system.slice/x.service/workers").unit, "x.service");
	EXPECT_EQ(
		owner_of_cgroup("/user.slice/user-1000.slice/user@1000.service/app.slice/y.service")
			.unit,
		"y.service");
	EXPECT_EQ(owner_of_cgroup("/system.slice/ssh.socket").unit, "ssh.socket");
	EXPECT_EQ(owner_of_cgroup("/system.slice/docker-ab12.scope").unit, "docker-ab12.scope");
	for (const char *none : {"", "/", "/system.slice", "/myservice"})
		EXPECT_EQ(owner_of_cgroup(none).unit, "") << none;
}

TEST(owner, pods)
{
	const std::string uid = "1b2c3d4e-0000-4000-8000-0123456789ab";

	EXPECT_EQ(owner_of_cgroup("/kubepods/burstable/pod" + uid + "/0123abcd").pod, uid);
	EXPECT_EQ(owner_of_cgroup("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-"
				  "pod1b2c3d4e_0000_4000_8000_0123456789ab.slice/"
				  "cri-containerd-0123abcd.scope")
			  .pod,
		  uid);
	EXPECT_EQ(owner_of_cgroup("/kubelet.slice/kubelet-kubepods.slice").pod, "");
	EXPECT_EQ(owner_of_cgroup("/system.slice/podman.service").pod, "");
	EXPECT_EQ(owner_of_cgroup("/kubepods/podcast").pod, "");
	EXPECT_EQ(owner_of_cgroup("/elsewhere/pod" + uid).pod, "");
}

/* Seen from a container. */
TEST(owner, outside_of_the_cgroup_namespace)
{
	const Owner owner = owner_of_cgroup("/../../system.slice/nginx.service");

	EXPECT_EQ(owner.cgroup, "/system.slice/nginx.service");
	EXPECT_EQ(owner.unit, "nginx.service");
	EXPECT_EQ(owner_of_cgroup("/..").cgroup, "/");
	EXPECT_EQ(owner_of_cgroup("").cgroup, "");
}

TEST(owner, in_common)
{
	const Owner both =
		in_common({"nginx", "/a", "a.service", "1"}, {"nginx", "/b", "a.service", ""});

	EXPECT_EQ(both.program, "nginx");
	EXPECT_EQ(both.cgroup, "");
	EXPECT_EQ(both.unit, "a.service");
	EXPECT_EQ(both.pod, "");
}

} // namespace
