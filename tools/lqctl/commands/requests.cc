// SPDX-License-Identifier: GPL-2.0
/* lqctl requests: the half-open requests of listeners. */
#include <cstdio>

#include "base/json.hh"
#include "commands/commands.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "model/request.hh"

namespace lqctl {

std::string requests(const RequestsOptions &options)
{
	const Selection selection(options.filter);
	Genl genl;
	std::vector<Request> all;
	bool incomplete = false;

	for (const Listener &l : selection.text().empty() ? find_listeners(genl, selection)
							  : find_some(genl, selection)) {
		if (l.syn_qlen == 0)
			continue;
		bool torn;
		std::vector<Request> some = genl.requests(l.id, torn);
		incomplete |= torn;
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

} // namespace lqctl
