// SPDX-License-Identifier: GPL-2.0
// Run each libFuzzer target for a moment, from its corpus: always the same inputs.
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// What it does is the same each time: no corpus is read again by the clock (-reload=0), and
// addresses, which libFuzzer learns from comparisons, are fixed, but in a container that forbids
// it.
class fuzz : public testing::TestWithParam<const char *> {
protected:
	void SetUp() override { personality(static_cast<unsigned>(before_) | ADDR_NO_RANDOMIZE); }
	void TearDown() override { personality(static_cast<unsigned>(before_)); }

private:
	const int before_ = personality(0xffffffff);
};

} // namespace

TEST_P(fuzz, runs)
{
	const std::string target = GetParam();
	const std::string program = std::string(FUZZ_DIR) + "/fuzz_" + target;

	if (access(program.c_str(), X_OK) != 0)
		GTEST_SKIP() << "no " << program << ": it needs clang++";
	std::string scratch = testing::TempDir() + "fuzz.XXXXXX";
	ASSERT_NE(mkdtemp(scratch.data()), nullptr);
	const std::string command =
		program +
		" -seed=1 -reload=0 -runs=20000 -max_len=2048 -artifact_prefix=" FUZZ_DIR "/" +
		target + ". " + scratch + " " CORPUS_DIR "/" + target;
	const int status = std::system((command + " >" + scratch + "/log 2>&1 || { tail -n 60 " +
					scratch + "/log; false; }")
					       .c_str());
	EXPECT_EQ(std::system(("rm -rf " + scratch).c_str()), 0);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << command;
}

INSTANTIATE_TEST_SUITE_P(target, fuzz,
			 testing::Values("cookie", "filter", "listener", "options", "segment"),
			 [](const auto &info) { return std::string(info.param); });
