// SPDX-License-Identifier: GPL-2.0
/* lqctl export: counters and queues for another program to read. */
#include <CLI/CLI.hpp>
#include <memory>

#include "base/error.hh"
#include "base/file.hh"
#include "commands/commands.hh"
#include "commands/metrics.hh"
#include "commands/words.hh"

namespace lqctl {

namespace {

struct Options {
	bool prometheus = false;
	bool all_netns = false;
	std::string output; /* a file; empty: stdout */
	std::vector<std::string> filter;
};

std::string run(const Options &options)
{
	if (!options.prometheus)
		throw Error("export as what? There is --prometheus");
	const std::string text = metrics_text(Selection(options.filter), options.all_netns, true);

	if (options.output.empty() || options.output == "-")
		return text;
	/* The collector runs as another user. */
	write_whole(options.output, text, 0644);
	return "";
}

} // namespace

Command export_(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand("export", "Counters and queues for another program");
	command->add_flag("--prometheus", o->prometheus,
			  "The text format of Prometheus, for node_exporter's textfile collector");
	command->add_option("-o,--output", o->output,
			    "This file, replaced at once as a whole; -: stdout");
	command->add_flag("--all-netns", o->all_netns, all_netns_help);
	command->add_option("FILTER", o->filter, filter_help);
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
