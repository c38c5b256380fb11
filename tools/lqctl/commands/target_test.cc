// SPDX-License-Identifier: GPL-2.0
#include "commands/target.hh"

#include <gtest/gtest.h>

#include "base/error.hh"

using namespace lqctl;

namespace {

Target target(std::vector<std::string> filter, std::vector<int> pids = {}, int fd = -1,
	      bool all = false)
{
	Target t;
	t.filter = std::move(filter);
	t.pids = std::move(pids);
	t.fd = fd;
	t.all = all;
	return t;
}

std::string error(const Target &t)
{
	try {
		check(t);
	} catch (const Error &e) {
		return e.what();
	}
	return "";
}

TEST(target, check)
{
	EXPECT_EQ(error(target({":80"})), "");
	EXPECT_EQ(error(target({":80"}, {12})), "");
	EXPECT_EQ(error(target({}, {12, 13})), "");
	EXPECT_EQ(error(target({}, {12}, 0)), "");
	EXPECT_EQ(error(target({}, {}, -1, true)), "");
	EXPECT_NE(error(target({})).find("say which listeners"), std::string::npos);
	EXPECT_NE(error(target({":80"}, {}, -1, true)).find("leave"), std::string::npos);
	EXPECT_NE(error(target({}, {12}, -1, true)).find("leave"), std::string::npos);
	EXPECT_NE(error(target({}, {}, 3)).find("--fd is"), std::string::npos);
	EXPECT_NE(error(target({}, {12, 13}, 3)).find("--fd is"), std::string::npos);
	EXPECT_NE(error(target({":80"}, {12}, 3)).find("--fd is"), std::string::npos);
}

TEST(target, selection)
{
	const auto text = [](std::vector<std::string> words) {
		return selection_of(target(std::move(words))).text();
	};
	EXPECT_EQ(text({}), "");
	EXPECT_EQ(text({":80"}), ":80");
	EXPECT_EQ(text({":80", "127.0.0.1:443", "[::1]:22", "@7"}),
		  ":80 or 127.0.0.1:443 or [::1]:22 or @7");
	EXPECT_EQ(text({"sport", "=", ":80"}), "sport = :80");
	EXPECT_EQ(text({"name = nginx", "and", ":80"}), "name = nginx and :80");
}

} // namespace
