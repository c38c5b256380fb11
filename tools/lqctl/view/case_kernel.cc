// SPDX-License-Identifier: GPL-2.0
/* Findings about what others refuse: memory, routes, security modules. */
#include "view/case.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>

#include "base/plural.hh"

namespace lqctl {

void Case::no_memory()
{
	const std::uint64_t requests = drops(LISTENQ_DROP_NO_MEMORY);
	const std::uint64_t children = drops(LISTENQ_DROP_CHILD_FAILED);
	if (requests == 0 && children == 0)
		return;
	add("no_memory", Severity::problem,
	    fmt::format("the kernel could not make {} and {}{}: memory is short, for the "
			"machine, the cgroup of {} or TCP as a whole (net.ipv4.tcp_mem).",
			many(requests, "request"), many(children, "child socket"), meanwhile(),
			program()),
	    {"cat /proc/net/sockstat /proc/pressure/memory", "nstat -az TcpExtTCPReqQFullDrop"
							     " TcpExtListenDrops"});
}

void Case::no_route()
{
	const std::uint64_t n = drops(LISTENQ_DROP_NO_ROUTE);
	if (n == 0)
		return;
	add("no_route", Severity::problem,
	    fmt::format("{} came from where no route leads back to{}: look at the routing "
			"table, and at reverse path filters.",
			many(n, "segment"), meanwhile()),
	    {"ip route show table all", "sysctl net.ipv4.conf.all.rp_filter"});
}

void Case::lsm()
{
	const std::uint64_t n = drops(LISTENQ_DROP_LSM);
	if (n == 0)
		return;
	add("security_module", Severity::problem,
	    fmt::format("a security module refused {}{}.", many(n, "segment"), meanwhile()),
	    {"cat /sys/kernel/security/lsm", "journalctl -k -g 'avc|audit|apparmor'"});
}

} // namespace lqctl
