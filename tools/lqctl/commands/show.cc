// SPDX-License-Identifier: GPL-2.0
/* lqctl show: listeners whole. */
#include <CLI/CLI.hpp>
#include <memory>

#include "base/json.hh"
#include "commands/commands.hh"
#include "commands/words.hh"
#include "kernel/find_some.hh"
#include "kernel/genl.hh"
#include "kernel/waiting.hh"
#include "view/show.hh"

namespace lqctl {

namespace {

struct Options {
	bool numeric = false;
	bool json = false;
	std::vector<std::string> filter;
};

Peers peers_of(Genl &genl, const Listener &l)
{
	Peers peers;

	if (l.plain)
		return peers;
	if (l.accept_qlen)
		peers.waiting = find_waiting(l.address.port);
	if (l.syn_qlen && l.syn_qlen <= most_requests) {
		bool incomplete;
		for (const Request &r : genl.requests(l.id, incomplete))
			peers.half_open.add(r.peer);
	}
	if (total_drops(l.drops))
		peers.dropped = genl.dropped(l.id);
	return peers;
}

std::string run(const Options &options)
{
	const Selection selection(options.filter);
	Genl genl;
	const std::vector<Listener> listeners = find_some(genl, selection, true);

	if (options.json) {
		nlohmann::ordered_json json;
		json["listeners"] = nlohmann::ordered_json::array();
		for (const Listener &l : listeners)
			json["listeners"].push_back(show_json(l, peers_of(genl, l)));
		return json_text(json);
	}
	std::string out;
	for (const Listener &l : listeners)
		out += (out.empty() ? "" : "\n") + show_text(l,
							     {.numeric = options.numeric,
							      .glyphs = locale_glyphs(),
							      .terminal = stdout_terminal()},
							     peers_of(genl, l));
	return out;
}

} // namespace

Command show(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command =
		app.add_subcommand("show", "Listeners whole: limits and why, queues, drops, waits");
	command->add_flag("-n,--numeric", o->numeric, numeric_help);
	command->add_flag("-j,--json", o->json, "JSON");
	command->add_option("FILTER", o->filter, filter_help);
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
