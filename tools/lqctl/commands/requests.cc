// SPDX-License-Identifier: GPL-2.0
/* lqctl requests: the half-open requests of listeners. */
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/json.hh"
#include "commands/commands.hh"
#include "commands/words.hh"
#include "kernel/find_some.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "model/request.hh"

namespace lqctl {

namespace {

struct Options {
	bool no_header = false;
	bool numeric = false;
	bool json = false;
	std::vector<std::string> filter;
};

std::string run(const Options &options)
{
	const Selection selection(options.filter);
	Genl genl;
	std::vector<Request> all;
	bool incomplete = false;

	for (const Listener &l : selection.text().empty() ? find_listeners(genl, selection)
							  : find_some(genl, selection)) {
		if (l.syn_qlen == 0)
			continue;
		bool some_missing;
		std::vector<Request> some = genl.requests(l.id, some_missing);
		incomplete |= some_missing;
		all.insert(all.end(), std::make_move_iterator(some.begin()),
			   std::make_move_iterator(some.end()));
	}
	if (incomplete)
		std::fputs("lqctl: a SYN queue changed while it was listed: some requests may be "
			   "missing or shown twice\n",
			   stderr);
	if (options.json) {
		nlohmann::ordered_json json;
		json["requests"] = nlohmann::ordered_json::array();
		for (const Request &r : all)
			json["requests"].push_back(to_json(r));
		return json_text(json);
	}
	return requests_text(std::move(all), {.header = !options.no_header,
					      .numeric = options.numeric,
					      .terminal = stdout_terminal()});
}

} // namespace

Command requests(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand("requests", "The half-open requests of listeners");
	command->add_flag("-H,--no-header", o->no_header, no_header_help);
	command->add_flag("-n,--numeric", o->numeric, numeric_help);
	command->add_flag("-j,--json", o->json, "JSON");
	command->add_option("FILTER", o->filter, filter_help);
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
