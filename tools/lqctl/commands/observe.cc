// SPDX-License-Identifier: GPL-2.0
/* Observing: what the module, /proc and the sysctls say, put together. */
#include "commands/observe.hh"

#include "kernel/netns.hh"
#include "kernel/sysctl.hh"
#include "model/baseline.hh"

namespace lqctl {

std::vector<Observation> observe(Genl &genl, const Observer &observer,
				 const std::map<std::uint64_t, Listener> &before, double seconds)
{
	std::vector<Observation> observations;
	const std::uint32_t somaxconn = read_somaxconn(), host = read_host_somaxconn();
	const auto tcp = read_tcp_settings();

	for (Sight &sight : observer.look(genl)) {
		Observation o;
		o.now = std::move(sight.listener);
		o.somaxconn = somaxconn;
		o.host_somaxconn = host;
		o.tcp = tcp;
		o.holders = std::move(sight.holders);
		o.holders_before = std::move(sight.holders_before);
		o.waiting = std::move(sight.waiting);
		o.dropped = std::move(sight.dropped);
		if (sight.requests_seen)
			o.half_open = half_open_of(sight.requests);
		const auto it = before.find(o.now.id);
		if (it != before.end() && is_past_of(it->second, o.now)) {
			o.before = it->second;
			o.seconds = seconds;
		}
		observations.push_back(std::move(o));
	}
	find_groups(observations);
	return observations;
}

} // namespace lqctl
