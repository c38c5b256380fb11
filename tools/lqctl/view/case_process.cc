// SPDX-License-Identifier: GPL-2.0
/* Findings about the processes that should call accept(). */
#include "view/case.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>
#include <set>

#include "base/plural.hh"

namespace lqctl {

namespace {

constexpr double throttled_part = 0.1; /* of the time: it is felt */
constexpr double stalled_percent = 20; /* of the last 10 s somebody waited for memory */

std::string cgroup_file(const Holder &h, const char *file)
{
	return shell_quoted("/sys/fs/cgroup" + (h.cgroup == "/" ? "" : h.cgroup) + '/' + file);
}

} // namespace

void Case::descriptors()
{
	const auto out = std::find_if(o_.holders.begin(), o_.holders.end(),
				      [](const Holder &h) { return h.is_out_of_descriptors(); });
	if (out == o_.holders.end())
		return;
	const std::string unit = unit_of(*out);
	const std::uint64_t wanted = std::max<std::uint64_t>(4 * out->descriptor_limit, 1024);
	std::string text =
		fmt::format("{} (pid {}) has {} open, and RLIMIT_NOFILE lets it have {}", out->name,
			    out->pid, many(out->descriptors, "descriptor"), out->descriptor_limit);
	std::vector<std::string> commands = {
		fmt::format("prlimit --pid {} --nofile={}:{}", out->pid, wanted, wanted)};

	if (l_.accept_qlen)
		text = fmt::format("accept() fails for want of descriptors (EMFILE): {}, while {}.",
				   text,
				   plural(l_.accept_qlen, "connection waits", "connections wait"));
	else
		text += ": the next accept() will fail (EMFILE).";
	text += " It leaks them, or has more clients than it was given descriptors for.";
	if (!unit.empty())
		commands.push_back(fmt::format("systemctl edit {}   # [Service] LimitNOFILE={}",
					       unit, wanted));
	commands.push_back(fmt::format("ls -l /proc/{}/fd", out->pid));
	add("no_descriptors", l_.accept_qlen ? Severity::problem : Severity::warning, text,
	    commands);
}

std::string Case::stopped(std::vector<std::string> &commands) const
{
	std::size_t count = 0;
	const Holder *first = nullptr;
	std::string text;

	for (const Holder &h : o_.holders) {
		if (h.state != 'T' && h.state != 't' && !h.frozen)
			continue;
		first = first ? first : &h;
		count++;
	}
	if (!first) {
		/* Where /proc says no more than who holds the socket. */
		for (const Process &p : l_.processes) {
			if (!o_.holders.empty() || (p.state != 'T' && p.state != 't'))
				continue;
			commands.push_back(fmt::format("kill -CONT {}", p.pid));
			return fmt::format(" It is stopped (pid {}).", p.pid);
		}
		return "";
	}
	const std::string which =
		count == o_.holders.size() && count > 1
			? fmt::format("All {} of its processes are", count)
			: (o_.holders.size() > 1
				   ? fmt::format("{} of its {} processes {}", count,
						 o_.holders.size(), count == 1 ? "is" : "are")
				   : std::string("It is"));
	if (first->frozen) {
		const std::string unit = unit_of(*first);
		text = fmt::format(" {} frozen, with the cgroup {} (pid {}).", which, first->cgroup,
				   first->pid);
		if (!unit.empty())
			commands.push_back("systemctl thaw " + unit);
		commands.push_back("echo 0 >" + cgroup_file(*first, "cgroup.freeze"));
	} else if (first->state == 't') {
		text = fmt::format(" {} stopped by a debugger, pid {} (pid {}).", which,
				   first->tracer, first->pid);
		commands.push_back(fmt::format("ps -o pid,args -p {}", first->tracer));
	} else {
		text = fmt::format(" {} stopped (pid {}).", which, first->pid);
		commands.push_back(fmt::format("kill -CONT {}", first->pid));
	}
	return text;
}

void Case::throttled()
{
	std::set<std::string> seen;

	for (const Holder &h : o_.holders) {
		const auto before = std::find_if(o_.holders_before.begin(), o_.holders_before.end(),
						 [&](const Holder &b) { return b.pid == h.pid; });
		if (before == o_.holders_before.end() || o_.seconds <= 0 ||
		    before->cgroup != h.cgroup || !seen.insert(h.cgroup).second)
			continue;
		const double kept =
			static_cast<double>(h.throttled_us -
					    std::min(before->throttled_us, h.throttled_us)) /
			1e6;
		if (kept < throttled_part * o_.seconds)
			continue;
		const std::string unit = unit_of(h);
		std::vector<std::string> commands = {"cat " + cgroup_file(h, "cpu.max")};
		if (!unit.empty())
			commands.insert(commands.begin(),
					fmt::format("systemctl set-property {} CPUQuota=", unit));
		add("cpu_throttled",
		    has("accept_slow") || stalled_ ? Severity::problem : Severity::warning,
		    fmt::format("{} gets less CPU than it wants: its cgroup {} was held back for "
				"{:.1f} s{} (cpu.max).",
				program(), h.cgroup, kept, meanwhile()),
		    commands);
	}
}

void Case::memory_pressure()
{
	std::set<std::string> seen;

	for (const Holder &h : o_.holders) {
		const auto before = std::find_if(o_.holders_before.begin(), o_.holders_before.end(),
						 [&](const Holder &b) { return b.pid == h.pid; });
		const std::uint64_t high =
			before == o_.holders_before.end() || before->cgroup != h.cgroup
				? 0
				: h.memory_high - std::min(before->memory_high, h.memory_high);
		if ((!high && h.memory_stall < stalled_percent) || !seen.insert(h.cgroup).second)
			continue;
		std::string text = fmt::format("{} waits for memory: ", program());
		if (high)
			text += fmt::format("its cgroup {} was slowed down at memory.high {}{}",
					    h.cgroup, plural(high, "time", "times"), meanwhile());
		if (h.memory_stall >= stalled_percent)
			text += fmt::format("{}in {:.0f} % of the last 10 s somebody in {} stood "
					    "still for it",
					    high ? "; " : "", h.memory_stall, h.cgroup);
		const std::string unit = unit_of(h);
		std::vector<std::string> commands = {"cat " + cgroup_file(h, "memory.pressure"),
						     "cat " + cgroup_file(h, "memory.high")};
		if (!unit.empty())
			commands.push_back(
				fmt::format("systemctl set-property {} MemoryHigh=", unit));
		add("memory_pressure",
		    has("accept_slow") || stalled_ ? Severity::problem : Severity::warning,
		    text + '.', commands);
	}
}

} // namespace lqctl
