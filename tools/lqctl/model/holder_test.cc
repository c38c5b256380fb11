// SPDX-License-Identifier: GPL-2.0
#include "model/holder.hh"

#include <gtest/gtest.h>

using namespace lqctl;

namespace {

std::string unit(const char *cgroup)
{
	Holder h;
	h.cgroup = cgroup;
	return unit_of(h);
}

TEST(holder, unit_of__the_innermost_service)
{
	EXPECT_EQ(unit("/system.slice/nginx.service"), "nginx.service");
	EXPECT_EQ(unit("/system.slice/docker.service/abc"), "docker.service");
	EXPECT_EQ(unit("/user.slice/user-0.slice/user@0.service/app.slice/web.service"),
		  "web.service");
	EXPECT_EQ(unit("/user.slice/session-1.scope"), "");
	EXPECT_EQ(unit("/"), "");
	EXPECT_EQ(unit(""), "");
}

TEST(holder, shell_quoted__what_must_be)
{
	EXPECT_EQ(shell_quoted("--port=80"), "--port=80");
	EXPECT_EQ(shell_quoted("a b"), "'a b'");
	EXPECT_EQ(shell_quoted(""), "''");
	EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
	EXPECT_EQ(shell_quoted("a\033[2Jb"), "'a?[2Jb'");
}

TEST(holder, is_out_of_descriptors__only_where_the_limit_is_known)
{
	Holder h;
	h.descriptors = 12;
	EXPECT_FALSE(h.is_out_of_descriptors());
	h.descriptor_limit = 13;
	EXPECT_FALSE(h.is_out_of_descriptors());
	h.descriptor_limit = 12;
	EXPECT_TRUE(h.is_out_of_descriptors());
}

} // namespace
