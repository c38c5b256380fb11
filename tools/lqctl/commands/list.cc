// SPDX-License-Identifier: GPL-2.0
/* lqctl list: the listeners of this network namespace. */
#include "base/json.hh"
#include "commands/commands.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "view/listing.hh"

namespace lqctl {

std::string list(const ListOptions &options)
{
	const Selection selection(options.filter);
	Genl genl;
	const std::vector<Listener> listeners = find_listeners(genl, selection, options.processes);

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

} // namespace lqctl
