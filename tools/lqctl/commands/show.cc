// SPDX-License-Identifier: GPL-2.0
/* lqctl show: listeners whole. */
#include "view/show.hh"
#include "base/json.hh"
#include "commands/commands.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"

namespace lqctl {

std::string show(const ShowOptions &options)
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

} // namespace lqctl
