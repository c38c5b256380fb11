// SPDX-License-Identifier: GPL-2.0
/* lqctl list: the listeners of this network namespace. */
#include <CLI/CLI.hpp>
#include <memory>

#include "base/json.hh"
#include "commands/commands.hh"
#include "commands/words.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "kernel/tcp_listeners.hh"
#include "view/listing.hh"

namespace lqctl {

namespace {

struct Options {
	bool no_header = false;
	bool numeric = false;
	bool extended = false;
	bool processes = false;
	bool netstat = false;
	bool json = false;
	bool all = false;		 /* those of plain TCP, too */
	std::vector<std::string> filter; /* the words of a Selection; none: all */
};

std::vector<Listener> find(const Options &options)
{
	const Selection selection(options.filter);
	Genl genl;
	std::vector<Listener> listeners;

	if (!options.all)
		return find_listeners(genl, selection, options.processes);
	for (TcpListener &t : find_tcp_listeners(genl, selection, options.processes))
		listeners.push_back(std::move(t.listener));
	return listeners;
}

std::string run(const Options &options)
{
	const std::vector<Listener> listeners = find(options);

	if (options.json)
		return json_text(listing_json(listeners));
	if (options.netstat)
		return netstat_text(listeners, !options.no_header, options.numeric);
	return listing_text(listeners, {.header = !options.no_header,
					.numeric = options.numeric,
					.extended = options.extended,
					.processes = options.processes,
					.glyphs = locale_glyphs(),
					.terminal = stdout_terminal()});
}

} // namespace

Command list(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand("list", "The listeners of this network namespace");
	command->add_flag("-H,--no-header", o->no_header, no_header_help);
	command->add_flag("-n,--numeric", o->numeric, numeric_help);
	command->add_flag("-e,--extended", o->extended,
			  "Limits, peaks, drops by reason and waiting times, below each listener");
	command->add_flag("-j,--json", o->json, "JSON");
	command->add_flag("-p,--processes", o->processes, "The processes that hold each socket");
	command->add_flag("-a,--all", o->all, "Those of plain TCP, too");
	command->add_flag("-L,--netstat", o->netstat, "As FreeBSD's netstat -L shows them");
	command->add_option("FILTER", o->filter, filter_help);
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
