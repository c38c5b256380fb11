// SPDX-License-Identifier: GPL-2.0
/* lqctl probe: how many connections a backlog holds, found out by connecting. */
#include <nlohmann/json.hpp>

#include "base/json.hh"
#include "commands/commands.hh"
#include "kernel/probe.hh"

namespace lqctl {

std::string probe(const ProbeOptions &options)
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

} // namespace lqctl
