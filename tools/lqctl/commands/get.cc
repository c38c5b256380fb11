// SPDX-License-Identifier: GPL-2.0
/* lqctl get: the settings of this network namespace. */
#include <CLI/CLI.hpp>
#include <memory>

#include "commands/commands.hh"
#include "kernel/netns.hh"
#include "kernel/sysctl.hh"
#include "view/sysctls.hh"

namespace lqctl {

namespace {

struct Options {
	bool values = false; /* without the names */
	bool json = false;
	std::string netns;
	std::vector<std::string> names; /* empty: all of ours */
};

std::string run(const Options &options)
{
	if (!options.netns.empty())
		enter_netns(options.netns);
	SysctlDir sysctls;
	std::vector<std::string> names;

	for (const std::string &given : options.names)
		names.push_back(sysctls.resolve(given));
	return sysctls_text(sysctls.read(names.empty() ? sysctls.names() : names),
			    sysctls.following(), options.json, options.values);
}

} // namespace

Command get(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand("get", "The settings of this network namespace");
	command->add_flag("-n,--values", o->values, "Values without the names");
	command->add_flag("-j,--json", o->json, "JSON");
	command->add_option("-N,--netns", o->netns,
			    "In this network namespace: a name, a file, or a pid");
	command->add_option(
		"NAME", o->names,
		"With or without net.listenq.; none: all of them. Or net.core.somaxconn "
		"and what of net.ipv4.tcp_* matters to listeners");
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
