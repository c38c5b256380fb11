// SPDX-License-Identifier: GPL-2.0
/* Looking up listeners. */
#include "kernel/lookup.hh"

#include <cerrno>
#include <cstdio>

#include "base/error.hh"
#include "kernel/processes.hh"
#include "wire/reply.hh"

namespace lqctl {

void add_processes(std::vector<Listener> &listeners)
{
	const auto found = find_processes();

	for (Listener &l : listeners) {
		l.has_processes = true;
		if (const auto here = found.find(l.inode); here != found.end())
			l.processes = here->second;
	}
}

std::vector<Listener> poll_listeners(Genl &genl, bool &incomplete)
{
	try {
		return genl.listeners(incomplete);
	} catch (const NetlinkError &error) {
		/* Gone, or going: __netlink_dump_start() of net/netlink/af_netlink.c. */
		if (error.code() == ENOENT || error.code() == EPROTONOSUPPORT)
			throw module_unloaded();
		throw;
	}
}

std::vector<Listener> find_listeners(Genl &genl, const Selection &selection, bool processes)
{
	bool incomplete;
	std::vector<Listener> listeners = genl.listeners(incomplete);

	if (incomplete)
		std::fputs("lqctl: listeners came and went while they were listed: "
			   "some may be missing or shown twice\n",
			   stderr);
	if (processes || selection.wants_processes())
		add_processes(listeners);
	std::erase_if(listeners, [&](const Listener &l) { return !selection.matches(l); });
	return listeners;
}

} // namespace lqctl
