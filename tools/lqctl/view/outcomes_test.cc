// SPDX-License-Identifier: GPL-2.0
#include "view/outcomes.hh"

#include <gtest/gtest.h>

using namespace lqctl;

namespace {

Outcome outcome(Result result, std::uint16_t port)
{
	Outcome o;
	o.listener.address.port = port;
	o.listener.processes = {{"nginx", 12, 6}, {"nginx", 13, 6}};
	o.result = result;
	return o;
}

std::vector<Outcome> some()
{
	std::vector<Outcome> all = {outcome(Result::taken, 80), outcome(Result::not_taken, 8443)};
	all[1].reason = Refusal{"save_syn", "it keeps SYNs"};
	return all;
}

TEST(outcomes, text)
{
	EXPECT_EQ(outcomes_text(some(), true, {}),
		  "Result    Local Address:Port Process\n"
		  "taken     0.0.0.0:80         nginx (pid 12) and 1 more\n"
		  "not taken 0.0.0.0:8443       nginx (pid 12) and 1 more it keeps SYNs\n");
}

TEST(outcomes, text__what_drains)
{
	Outcome o = outcome(Result::draining, 80);
	o.drain = Drain{3, 0, 1};
	EXPECT_NE(outcomes_text({o}, true, {}).find(" 3 half-open, 1 held to go\n"),
		  std::string::npos);
	o.drain = Drain{};
	EXPECT_EQ(outcomes_text({o}, true, {}).find("to go"), std::string::npos);
}

TEST(outcomes, json)
{
	std::vector<Outcome> all = some();
	all.push_back(outcome(Result::would_take, 81));
	all.push_back(outcome(Result::draining, 82));
	all[3].drain = Drain{1, 2, 3};
	const auto json = outcomes_json(all)["listeners"];
	EXPECT_EQ(json[0].dump(),
		  R"({"family":"inet","address":"0.0.0.0","port":80,"interface":null,"inode":0,)"
		  R"("processes":[{"name":"nginx","pid":12,"fd":6},)"
		  R"({"name":"nginx","pid":13,"fd":6}],)"
		  R"("result":"taken","reason":null,"text":null})");
	EXPECT_EQ(json[1]["result"], "not_taken");
	EXPECT_EQ(json[1]["reason"], "save_syn");
	EXPECT_EQ(json[2]["result"], "would_take");
	EXPECT_EQ(json[3]["syn_qlen"], 1);
	EXPECT_EQ(json[3]["accept_qlen"], 2);
	EXPECT_EQ(json[3]["filter_qlen"], 3);
}

TEST(outcomes, waiting)
{
	std::vector<Outcome> all = {outcome(Result::draining, 80), outcome(Result::draining, 81),
				    outcome(Result::released, 82)};
	all[0].drain = Drain{1, 2, 0};
	all[1].drain = Drain{2, 0, 0};
	EXPECT_EQ(waiting_text(all), "waiting for 2 listeners: 3 half-open, 2 queued");
}

TEST(outcomes, failures)
{
	EXPECT_EQ(
		failures_text({outcome(Result::taken, 80), outcome(Result::already, 81)}, "taken"),
		"");
	EXPECT_EQ(failures_text(some(), "taken"), "1 of 2 listeners could not be taken");
	/* It is taken, and not as was wished. */
	std::vector<Outcome> all = some();
	all[0].reason = Refusal{"option_refused", "policy could not be set"};
	EXPECT_EQ(failures_text(all, "taken as asked"),
		  "2 of 2 listeners could not be taken as asked");
}

} // namespace
