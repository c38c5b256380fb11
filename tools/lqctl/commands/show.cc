// SPDX-License-Identifier: GPL-2.0
/* lqctl show: listeners whole. */
#include <CLI/CLI.hpp>
#include <memory>

#include "base/json.hh"
#include "commands/commands.hh"
#include "commands/words.hh"
#include "kernel/find_some.hh"
#include "kernel/genl.hh"
#include "view/show.hh"

namespace lqctl {

namespace {

struct Options {
	bool numeric = false;
	bool json = false;
	std::vector<std::string> filter;
};

std::string run(const Options &options)
{
	const Selection selection(options.filter);
	Genl genl;
	const std::vector<Listener> listeners = find_some(genl, selection, true);

	if (options.json) {
		nlohmann::ordered_json json;
		json["listeners"] = nlohmann::ordered_json::array();
		for (const Listener &l : listeners)
			json["listeners"].push_back(show_json(l));
		return json_text(json);
	}
	std::string out;
	for (const Listener &l : listeners)
		out += (out.empty() ? "" : "\n") + show_text(l, {.numeric = options.numeric,
								 .glyphs = locale_glyphs(),
								 .terminal = stdout_terminal()});
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
