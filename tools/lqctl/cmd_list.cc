// SPDX-License-Identifier: GPL-2.0
/* lqctl list: the listeners of this network namespace. */
#include <cstdio>

#include "commands.hh"
#include "genl.hh"
#include "listing.hh"

namespace lqctl {

std::string list(const ListOptions &options)
{
	Filter filter;
	if (!options.filter.empty())
		filter = Filter(options.filter);

	bool incomplete;
	std::vector<Listener> listeners = Genl().listeners(incomplete);
	if (incomplete)
		std::fputs("lqctl: listeners came and went while they were listed: "
			   "some may be missing or shown twice\n",
			   stderr);
	std::erase_if(listeners, [&](const Listener &l) { return !filter.matches(l.address); });

	if (options.json)
		return json_text(listing_json(listeners));
	return listing_text(listeners, {.header = !options.no_header,
					.numeric = options.numeric,
					.extended = options.extended,
					.glyphs = locale_glyphs()});
}

} // namespace lqctl
