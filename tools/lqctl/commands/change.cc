// SPDX-License-Identifier: GPL-2.0
/* Live listeners, changed one after the other. */
#include "commands/change.hh"

#include <fmt/core.h>

#include <cerrno>
#include <set>

#include "base/error.hh"
#include "base/json.hh"
#include "kernel/find_some.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "view/listing.hh"

namespace lqctl {

namespace {

/* False: it has closed meanwhile. */
bool change(Genl &genl, const Listener &l, const std::vector<Setting> &settings)
{
	try {
		genl.set(l.id, settings);
		return true;
	} catch (const NetlinkError &error) {
		if (error.code() == ENOENT)
			return false;
		if (error.code() == EPERM)
			throw Error("listeners cannot be set: needs CAP_NET_ADMIN in the network "
				    "namespace's user namespace");
		throw Error(fmt::format("listener @{}: {}", l.id, error.what()));
	}
}

} // namespace

std::string change_all(const Selection &selection, const std::vector<Setting> &settings, bool json)
{
	Genl genl;
	std::set<std::uint64_t> changed;
	for (const Listener &l : find_some(genl, selection)) {
		if (change(genl, l, settings))
			changed.insert(l.id);
	}
	if (changed.empty())
		throw Error(fmt::format("no listener matches \"{}\": see \"lqctl list -e\"",
					selection.text()));
	/* Those that were changed: what is set may be what they were selected by. */
	std::vector<Listener> now = find_listeners(genl, {});
	std::erase_if(now, [&](const Listener &l) { return !changed.contains(l.id); });
	if (json)
		return json_text(listing_json(now));
	return listing_text(now, {.numeric = true,
				  .extended = true,
				  .glyphs = locale_glyphs(),
				  .terminal = stdout_terminal()});
}

} // namespace lqctl
