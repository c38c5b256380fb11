// SPDX-License-Identifier: GPL-2.0
/* Live listeners, changed one after the other. */
#include "commands/change.hh"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hh"
#include "base/json.hh"
#include "kernel/find_some.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "model/limit.hh"
#include "view/listing.hh"

namespace lqctl {

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

namespace {

/* The backlogs of those that got less than @settings asked for. */
std::string cut_backlogs(const std::vector<Listener> &listeners,
			 const std::vector<Setting> &settings)
{
	std::string text;

	if (std::none_of(settings.begin(), settings.end(), [](const Setting &s) {
		    return s.attribute == LISTENQ_A_LISTENER_BACKLOG;
	    }))
		return "";
	for (const Listener &l : listeners) {
		if (l.flags & LISTENQ_F_BACKLOG_TRUNCATED)
			text += fmt::format("lqctl: listener @{}: backlog {}, not {}: {}\n", l.id,
					    l.backlog, l.backlog_asked, backlog_reason(l).text);
	}
	return text;
}

} // namespace

std::set<std::uint64_t> change_some(Genl &genl, const Selection &selection,
				    const std::vector<Setting> &settings)
{
	std::set<std::uint64_t> changed;
	for (const Listener &l : find_some(genl, selection)) {
		if (change(genl, l, settings))
			changed.insert(l.id);
	}
	if (changed.empty())
		throw Error(fmt::format("no listener matches \"{}\": see \"lqctl list -e\"",
					selection.text()));
	return changed;
}

std::string change_all(const Selection &selection, const std::vector<Setting> &settings, bool json)
{
	Genl genl;
	const std::set<std::uint64_t> changed = change_some(genl, selection, settings);
	/* Those that were changed: what is set may be what they were selected by. */
	std::vector<Listener> now = find_listeners(genl, {});
	std::erase_if(now, [&](const Listener &l) { return !changed.contains(l.id); });
	fmt::print(stderr, "{}", cut_backlogs(now, settings));
	if (json)
		return json_text(listing_json(now));
	return listing_text(now, {.numeric = true,
				  .extended = true,
				  .glyphs = locale_glyphs(),
				  .terminal = stdout_terminal()});
}

} // namespace lqctl
