// SPDX-License-Identifier: GPL-2.0
/* lqctl probe: its arguments, its table, and plain TCP probed for real. */
#include "kernel/probe.hh"

#include <gtest/gtest.h>

#include "base/error.hh"

namespace lqctl {

TEST(probe, parse_backlogs__ranges_and_lists)
{
	EXPECT_EQ(parse_backlogs("5"), (std::vector<int>{5}));
	EXPECT_EQ(parse_backlogs("0-3"), (std::vector<int>{0, 1, 2, 3}));
	EXPECT_EQ(parse_backlogs("7,1-2,65535"), (std::vector<int>{7, 1, 2, 65535}));
}

TEST(probe, parse_backlogs__refuses_anything_else)
{
	for (const char *text : {"", "x", "1-", "-1", "3-1", "1,,2", "65536", "0-9999", "1 2"})
		EXPECT_THROW(static_cast<void>(parse_backlogs(text)), Error) << text;
}

TEST(probe, probe_table__a_row_a_policy)
{
	EXPECT_EQ(probe_table({{.policy = "linux", .backlog = 0, .completed = 3},
			       {.policy = "linux", .backlog = 1, .completed = 4},
			       {.policy = "", .backlog = 0, .completed = 1},
			       {.policy = "", .backlog = 1, .completed = 9, .limited = true}},
			      {0, 1}),
		  "backlog   0   1\n"
		  "linux     3   4\n"
		  "TCP       1  >9\n");
}

TEST(probe, run_probes__plain_tcp_holds_backlog_plus_1)
{
	std::vector<Probe> probes;

	for (int b = 0; b < 4; b++)
		probes.push_back({.policy = "", .backlog = b});
	run_probes(probes, 1000, 100);
	for (int b = 0; b < 4; b++) {
		EXPECT_EQ(probes[static_cast<size_t>(b)].completed, b + 1);
		EXPECT_FALSE(probes[static_cast<size_t>(b)].limited);
	}
}

TEST(probe, run_probes__stops_at_the_limit)
{
	std::vector<Probe> probes{{.policy = "", .backlog = 50}};

	run_probes(probes, 1000, 5);
	EXPECT_EQ(probes[0].completed, 5);
	EXPECT_TRUE(probes[0].limited);
}

} // namespace lqctl
