// SPDX-License-Identifier: GPL-2.0
/* Listeners of ours, or why there are none. */
#include "kernel/find_some.hh"

#include <fmt/core.h>

#include "base/error.hh"
#include "kernel/tcp_listeners.hh"

namespace lqctl {

namespace {

Error not_ours(const std::vector<Listener> &plain, const Selection &selection)
{
	const Listener &first = plain.front();
	std::string names = to_string(first.address, true);

	if (!first.processes.empty())
		names += fmt::format(", {}", holder_text(first.processes));
	if (plain.size() > 1)
		names += fmt::format(", and {} more", plain.size() - 1);
	return Error(fmt::format("not listenq's, but plain TCP's: {}: take over with \"{}\"", names,
				 adopt_command(selection)));
}

} // namespace

std::string adopt_command(const Selection &selection)
{
	const std::string &text = selection.text();

	if (text.find_first_of(" ()<>|&!;*") == text.npos)
		return fmt::format("lqctl adopt {}", text);
	return fmt::format("lqctl adopt '{}'", text);
}

std::vector<Listener> find_some(Genl &genl, const Selection &selection, bool processes)
{
	std::vector<Listener> listeners = find_listeners(genl, selection, processes);

	if (!listeners.empty())
		return listeners;
	if (selection.text().empty())
		throw Error(
			"no listener in this network namespace is listenq's: take over one that "
			"runs with \"lqctl adopt\", \"lqctl list --all\" shows them, or run a "
			"server with \"lqrun\"");
	if (const auto plain = find_plain_listeners(genl, selection); !plain.empty())
		throw not_ours(plain, selection);
	throw Error(fmt::format("no listener matches \"{}\": see \"lqctl list --all\"",
				selection.text()));
}

} // namespace lqctl
