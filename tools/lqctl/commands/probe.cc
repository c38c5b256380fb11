// SPDX-License-Identifier: GPL-2.0
/* lqctl probe: how many connections a backlog holds, found out by connecting. */
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/json.hh"
#include "commands/commands.hh"
#include "kernel/probe.hh"

namespace lqctl {

namespace {

struct Options {
	bool tcp = false; /* plain TCP, too */
	bool json = false;
	int timeout_ms = 500;
	int limit = 1000; /* connections for each probe */
	std::string backlogs = "0-14";
	std::vector<std::string> policies; /* none: those of UNP figure 4.10 */
};

std::string run(const Options &options)
{
	const std::vector<int> backlogs = parse_backlogs(options.backlogs);
	std::vector<std::string> policies = options.policies;
	std::vector<Probe> probes;

	/* The columns of UNP figure 4.10. */
	if (policies.empty() && !options.tcp)
		policies = {"aix", "linux-2.4", "hpux", "freebsd-4", "solaris"};
	if (options.tcp)
		policies.insert(policies.begin(), "");
	for (const std::string &policy : policies) {
		for (const int backlog : backlogs)
			probes.push_back({.policy = policy, .backlog = backlog});
	}
	run_probes(probes, options.timeout_ms, options.limit);
	if (!options.json)
		return probe_table(probes, backlogs);

	nlohmann::ordered_json json;
	json["probes"] = nlohmann::ordered_json::array();
	for (const Probe &p : probes) {
		nlohmann::ordered_json one;

		one["policy"] = p.policy.empty() ? nlohmann::ordered_json()
						 : nlohmann::ordered_json(p.policy);
		one["backlog"] = p.backlog;
		one["completed"] = p.completed;
		one["limited"] = p.limited;
		json["probes"].push_back(one);
	}
	return json_text(json);
}

} // namespace

Command probe(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand(
		"probe", "How many connections a backlog holds, found out by connecting");
	command->add_option("POLICY", o->policies,
			    "Policies to probe; none: those of UNP figure 4.10");
	command->add_option("-b,--backlogs", o->backlogs, "Such as 0-14 or 1,5,128");
	command->add_flag("-t,--tcp", o->tcp, "Plain TCP, too (or alone)");
	command->add_option("-T,--timeout", o->timeout_ms,
			    "Milliseconds after which a connect() counts as not completed")
		->check(CLI::Range(10, 60000));
	command->add_option("-l,--limit", o->limit, "Connections for each, at most")
		->check(CLI::Range(1, 100000));
	command->add_flag("-j,--json", o->json, "JSON");
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
