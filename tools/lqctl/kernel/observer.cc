// SPDX-License-Identifier: GPL-2.0
/* Observers: netlink, /proc and sock_diag, twice. */
#include "kernel/observer.hh"

#include <fstream>

#include "kernel/holders.hh"
#include "kernel/lookup.hh"
#include "kernel/waiting.hh"

namespace lqctl {

Observer::Observer(Genl &genl, bool again)
{
	if (!again)
		return;
	for (Listener &l : find_listeners(genl, {}, true)) {
		holders_.emplace(l.id, read_holders(l.processes));
		before_.emplace(l.id, std::move(l));
	}
}

std::vector<Sight> Observer::look(Genl &genl) const
{
	std::vector<Sight> all;

	for (Listener &l : find_listeners(genl, {}, true)) {
		Sight s;
		s.holders = read_holders(l.processes);
		if (const auto it = holders_.find(l.id); it != holders_.end())
			s.holders_before = it->second;
		if (l.syn_qlen <= most_requests) {
			bool incomplete;
			if (l.syn_qlen)
				s.requests = genl.requests(l.id, incomplete);
			s.requests_seen = true;
		}
		if (l.accept_qlen)
			s.waiting = find_waiting(l.address.port);
		if (total_drops(l.drops))
			s.dropped = genl.dropped(l.id);
		s.listener = std::move(l);
		all.push_back(std::move(s));
	}
	return all;
}

std::map<std::string, std::uint32_t> read_tcp_settings()
{
	std::map<std::string, std::uint32_t> settings;

	for (const char *name : {"max_syn_backlog", "abort_on_overflow", "synack_retries",
				 "syncookies", "timestamps"}) {
		std::uint32_t value;
		if (std::ifstream("/proc/sys/net/ipv4/tcp_" + std::string(name)) >> value)
			settings.emplace(name, value);
	}
	return settings;
}

} // namespace lqctl
