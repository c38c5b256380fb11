// SPDX-License-Identifier: GPL-2.0
/* Observations: what several of them, or many requests, say together. */
#include "view/finding.hh"

#include <linux/listenq.h>

#include <tuple>

namespace lqctl {

namespace {

constexpr std::uint32_t stalled_us = 1'000'000;
constexpr double watched_long = 0.9; /* seconds: what -i 1 sees of one */

std::uint64_t accepted(const Listener &l)
{
	return counted(l.events, LISTENQ_EVENT_ACCEPTED);
}

} // namespace

HalfOpen half_open_of(const std::vector<Request> &requests)
{
	HalfOpen all;

	for (const Request &r : requests) {
		if (r.state != "syn_recv") {
			all.acked++;
			continue;
		}
		all.silent += r.timeouts >= 2;
		all.late += r.age >= 1000;
		all.peers.add(r.peer);
	}
	return all;
}

bool is_stalled(const Observation &o)
{
	const Listener &l = o.now;

	if (l.accept_qlen == 0)
		return false;
	if (!o.before)
		return accepted(l) == 0 && l.accept_oldest >= stalled_us;
	if (accepted(l) != accepted(*o.before))
		return false;
	return l.accept_oldest >= stalled_us ||
	       (l.accept_qlen >= l.accept_limit && o.seconds >= watched_long);
}

void find_groups(std::vector<Observation> &observations)
{
	const auto key = [](const Observation &o) {
		const Address &a = o.now.address;
		return std::tuple(a.family, a.bytes, a.port, a.ifindex);
	};
	std::map<decltype(key(Observation())), Group> groups;

	for (const Observation &o : observations) {
		Group &group = groups.try_emplace(key(o), Group{0, 0, {}}).first->second;
		group.members++;
		if (o.before)
			group.accepted += accepted(o.now) - accepted(*o.before);
		if (is_stalled(o))
			group.stalled.push_back(o.now.id);
	}
	for (Observation &o : observations)
		o.group = groups.at(key(o));
}

} // namespace lqctl
