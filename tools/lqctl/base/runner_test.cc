// SPDX-License-Identifier: GPL-2.0
#include "base/runner.hh"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>

using namespace lqctl;

namespace {

class runner : public ::testing::Test {
protected:
	void SetUp() override { ASSERT_NE(mkdtemp(directory), nullptr); }
	void TearDown() override
	{
		unlink(file("out").c_str());
		rmdir(directory);
	}
	std::string file(const char *name) const { return std::string(directory) + '/' + name; }
	std::string out() const
	{
		std::ifstream in(file("out"));
		return {std::istreambuf_iterator<char>(in), {}};
	}
	static void finish(Runner &r)
	{
		for (int i = 0; r.running() && i < 3000; i++) {
			usleep(10000);
			r.reap();
		}
		EXPECT_EQ(r.running(), 0u);
	}

	char directory[32] = "/tmp/runner_test.XXXXXX";
};

TEST_F(runner, start__the_environment)
{
	setenv("LISTENQ_COUNT", "left over", 1);
	Runner r("echo \"$LISTENQ_EVENT $LISTENQ_PORT ${LISTENQ_COUNT-none} ${PATH:+path}\" >>" +
		 file("out"));
	EXPECT_TRUE(r.start(1, {{"LISTENQ_EVENT", "a b; c"}, {"LISTENQ_PORT", "80"}}));
	finish(r);
	EXPECT_EQ(out(), "a b; c 80 none path\n");
}

TEST_F(runner, start__signals_are_as_usual)
{
	sigset_t blocked;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, nullptr);
	std::signal(SIGPIPE, SIG_IGN);
	Runner r("sh -c 'kill -TERM $$'; a=$?; sh -c 'kill -PIPE $$'; echo $a $? >>" + file("out"));
	EXPECT_TRUE(r.start(1, {}));
	finish(r);
	EXPECT_EQ(out(), "143 141\n");
}

TEST_F(runner, start__in_order)
{
	Runner r("[ $LISTENQ_N = 1 ] && sleep 0.3; echo $LISTENQ_N >>" + file("out"));
	for (const char *n : {"1", "2", "3"})
		EXPECT_TRUE(r.start(7, {{"LISTENQ_N", n}}));
	EXPECT_EQ(r.running(), 1u);
	finish(r);
	EXPECT_EQ(out(), "1\n2\n3\n");
}

/* The first of 7 ends when the one of 8, which came later, has run: it never would if that waited.
 */
TEST_F(runner, start__others_need_not_wait)
{
	Runner r("if [ $LISTENQ_N = 1 ]; then until grep -qs 3 " + file("out") +
			 "; do sleep 0.01; done; fi; echo $LISTENQ_N >>" + file("out"),
		 2);
	EXPECT_TRUE(r.start(7, {{"LISTENQ_N", "1"}}));
	EXPECT_TRUE(r.start(7, {{"LISTENQ_N", "2"}}));
	EXPECT_TRUE(r.start(8, {{"LISTENQ_N", "3"}}));
	EXPECT_TRUE(r.start(9, {{"LISTENQ_N", "4"}}));
	EXPECT_EQ(r.running(), 2u);
	finish(r);
	EXPECT_EQ(out().substr(0, 2), "3\n");
	EXPECT_LT(out().find('1'), out().find('2'));
	EXPECT_NE(out().find('4'), std::string::npos);
}

TEST_F(runner, start__more_wait_and_even_more_do_not)
{
	Runner r("echo $LISTENQ_N >>" + file("out"), 1, 2);
	EXPECT_TRUE(r.start(1, {{"LISTENQ_N", "1"}}));
	EXPECT_TRUE(r.start(2, {{"LISTENQ_N", "2"}}));
	EXPECT_TRUE(r.start(3, {{"LISTENQ_N", "3"}}));
	EXPECT_FALSE(r.start(4, {{"LISTENQ_N", "4"}}));
	EXPECT_EQ(r.running(), 1u);
	finish(r);
	EXPECT_EQ(out(), "1\n2\n3\n");
}

} // namespace
