// SPDX-License-Identifier: GPL-2.0
/* lqctl set --listener: the settings of live listeners. */
#include <fmt/core.h>

#include <cerrno>
#include <charconv>
#include <optional>

#include "commands.hh"
#include "error.hh"
#include "genl.hh"
#include "listing.hh"
#include "sysctl.hh"

namespace lqctl {

namespace {

/* Whom it is for. */
class Selector final {
public:
	explicit Selector(const std::string &text)
	{
		if (!text.starts_with('@')) {
			filter_ = Filter(text);
			return;
		}
		std::uint64_t id = 0;
		const char *first = text.data() + 1, *last = text.data() + text.size();
		const auto [end, error] = std::from_chars(first, last, id);
		if (error != std::errc{} || end != last || id == 0)
			throw Error(fmt::format("\"{}\" is no listener: write its id as @7; "
						"\"lqctl list -e\" shows it",
						text));
		id_ = id;
	}
	[[nodiscard]] bool matches(const Listener &l) const
	{
		return id_ ? *id_ == l.id : filter_.matches(l.address);
	}

private:
	Filter filter_;
	std::optional<std::uint64_t> id_;
};

std::vector<Listener> selected(Genl &genl, const Selector &selector)
{
	bool incomplete;
	std::vector<Listener> listeners = genl.listeners(incomplete);

	std::erase_if(listeners, [&](const Listener &l) { return !selector.matches(l); });
	return listeners;
}

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

std::string set_listeners(const SetOptions &options)
{
	const Selector selector(options.listener);
	std::vector<Setting> settings;

	for (const std::string &text : options.assignments) {
		const auto [name, value] = parse_assignment(text);
		settings.push_back(parse_setting(name, value));
	}
	Genl genl;
	unsigned changed = 0;
	for (const Listener &l : selected(genl, selector))
		changed += change(genl, l, settings);
	if (changed == 0)
		throw Error(fmt::format("no listener matches \"{}\": see \"lqctl list -e\"",
					options.listener));
	const std::vector<Listener> now = selected(genl, selector);
	if (options.json)
		return json_text(listing_json(now));
	return listing_text(now, {.numeric = true, .extended = true, .glyphs = locale_glyphs()});
}

} // namespace lqctl
