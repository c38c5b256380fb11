// SPDX-License-Identifier: GPL-2.0
/* lqctl reset: listeners follow the settings of their network namespace again. */
#include <linux/listenq.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "commands/change.hh"
#include "commands/commands.hh"
#include "commands/words.hh"

namespace lqctl {

namespace {

struct Options {
	bool json = false;
	std::vector<std::string> filter;
};

std::string run(const Options &options)
{
	/* An accept filter follows no sysctl, and shards are decided: both stay. */
	std::vector<Setting> settings;
	for (const std::string &name : own_names(~static_cast<std::uint32_t>(LISTENQ_OWN_SHARDS)))
		settings.push_back(parse_setting(name, "default"));
	return change_all(Selection(options.filter), settings, options.json);
}

} // namespace

Command reset(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand(
		"reset", "Let listeners follow the settings of their network namespace again");
	command->add_flag("-j,--json", o->json, "JSON");
	command->add_option("FILTER", o->filter, filter_help)->required();
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
