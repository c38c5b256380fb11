/* SPDX-License-Identifier: GPL-2.0 */
/* What keeps a process that holds a listener's socket from accept(): as /proc and its cgroup say.
 */
#pragma once

#include <cstdint>
#include <string>

namespace lqctl {

/* What cannot be seen stays as it is here, and no rule speaks of it. */
struct Holder {
	int pid = 0;
	std::string name = {};	       /* comm */
	char state = '?';	       /* of /proc/PID/stat: T stopped, t traced */
	int tracer = 0;		       /* pid of a debugger or strace; 0: none */
	std::string wchan = {};	       /* the kernel's function that it sleeps in; empty: it runs */
	std::uint64_t descriptors = 0; /* open now */
	std::uint64_t descriptor_limit = 0; /* soft RLIMIT_NOFILE; 0: not known */
	std::string command = {};	    /* its command line, as a shell would need it */
	std::string cgroup = {};	    /* "/system.slice/nginx.service"; empty: not known */
	bool frozen = false;		    /* by the cgroup's freezer */
	/* Of the cgroup, since its beginning; to be compared with a look before. */
	std::uint64_t throttled_us = 0; /* cpu.stat: kept from the CPU by cpu.max */
	std::uint64_t memory_high =
		0; /* memory.events: reclaimed from, and slowed down, at memory.high */
	double memory_stall =
		0; /* memory.pressure: percent of the last 10 s with somebody stalled */

	[[nodiscard]] bool is_out_of_descriptors() const
	{
		return descriptor_limit && descriptors >= descriptor_limit;
	}
};

/* "nginx.service"; empty: the cgroup is no unit's. */
[[nodiscard]] std::string unit_of(const Holder &holder);

/* A word as a shell takes it, quoted where it must be. */
[[nodiscard]] std::string shell_quoted(const std::string &word);

} // namespace lqctl
