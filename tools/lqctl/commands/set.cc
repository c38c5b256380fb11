// SPDX-License-Identifier: GPL-2.0
/* lqctl set: the settings of this network namespace, or of live listeners. */
#include <CLI/CLI.hpp>
#include <memory>

#include "base/error.hh"
#include "commands/change.hh"
#include "commands/commands.hh"
#include "kernel/netns.hh"
#include "kernel/sysctl.hh"
#include "view/sysctls.hh"

namespace lqctl {

namespace {

struct Options {
	bool json = false;
	std::string netns;
	std::string listener; /* FILTER, or "@" and an id; empty: the sysctls */
	std::vector<std::string> assignments;
};

std::string set_sysctls(const Options &options)
{
	std::vector<std::pair<std::string, std::string>> assignments;
	for (const std::string &text : options.assignments)
		assignments.push_back(parse_assignment(text));

	SysctlDir sysctls;
	for (auto &[name, value] : assignments)
		name = sysctls.resolve(name);

	/* Nothing is written until all is understood. */
	std::vector<std::string> names;
	for (const auto &[name, value] : assignments) {
		sysctls.write(name, value);
		names.push_back(name);
	}
	return sysctls_text(sysctls.read(names), sysctls.following(), options.json, false);
}

std::string set_listeners(const Options &options)
{
	const Selection selection(options.listener);
	std::vector<Setting> settings;

	for (const std::string &text : options.assignments) {
		const auto [name, value] = parse_assignment(text);
		settings.push_back(parse_setting(name, value));
	}
	return change_all(selection, settings, options.json);
}

std::string run(const Options &options)
{
	if (options.assignments.empty())
		throw Error("nothing to set: write it as NAME=VALUE, such as max_syn_backlog=1024");
	if (!options.netns.empty())
		enter_netns(options.netns);
	return options.listener.empty() ? set_sysctls(options) : set_listeners(options);
}

} // namespace

Command set(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand(
		"set", "Change settings of this network namespace, or of listeners");
	command->add_flag("-j,--json", o->json, "JSON");
	command->add_option("-l,--listener", o->listener,
			    "The settings of these live listeners: @ID, or as in list");
	command->add_option("-N,--netns", o->netns,
			    "In this network namespace: a name, a file, or a pid");
	command->add_option("NAME=VALUE", o->assignments, "Such as max_syn_backlog=1024");
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
