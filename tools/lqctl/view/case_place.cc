// SPDX-License-Identifier: GPL-2.0
/* Findings about where a listener is: its backlog, its group, its namespace, and its past. */
#include "view/case.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>

#include "base/plural.hh"
#include "base/timespan.hh"

namespace lqctl {

void Case::truncated()
{
	if (!(l_.flags & LISTENQ_F_BACKLOG_TRUNCATED) || has("backlog_small"))
		return;
	const bool tight = accept_refused() != 0 || 2ULL * l_.accept_qlen >= l_.accept_limit;
	std::string text = fmt::format(
		"the backlog is smaller than {} wants it (the accept queue holds {} of {}, and "
		"never held more than {}).",
		program(), l_.accept_qlen, l_.accept_limit, l_.accept_qlen_peak);
	std::vector<std::string> commands;
	raise_backlog(text, commands, rounded_up(2ULL * l_.backlog));
	add("backlog_truncated", tight ? Severity::warning : Severity::note, text, commands);
}

void Case::close_call()
{
	if (accept_refused() != 0 || stalled_ || has("no_descriptors") || has("accept_slow") ||
	    l_.accept_limit < 2 || 5ULL * l_.accept_qlen_peak < 4ULL * l_.accept_limit)
		return;
	const bool now = 5ULL * l_.accept_qlen >= 4ULL * l_.accept_limit;
	std::string text =
		now ? fmt::format("the accept queue is close to its limit: it holds {} of {}.",
				  l_.accept_qlen, l_.accept_limit)
		    : fmt::format(
			      "the accept queue came close to its limit: it held {} of {} once.",
			      l_.accept_qlen_peak, l_.accept_limit);
	std::vector<std::string> commands;
	if (now && !has("backlog_truncated"))
		raise_backlog(text, commands, rounded_up(2ULL * l_.backlog));
	add("close_to_limit", now ? Severity::warning : Severity::note, text, commands);
}

void Case::group()
{
	const Group &g = o_.group;

	if (g.members < 2 || !o_.before)
		return;
	if (!g.stalled.empty() && !stalled_) {
		std::string ids;
		std::vector<std::string> commands{
			fmt::format("lqctl explain @{}", g.stalled.front())};
		for (const std::uint64_t id : g.stalled)
			ids += fmt::format("{}@{}", ids.empty() ? "" : ", ", id);
		if (l_.steal_us == 0)
			commands.push_back(share());
		add("sibling_stalled", Severity::warning,
		    fmt::format("{} of the {} listeners at this address {} no connections ({}): "
				"about {:.0f} % of the clients wait there{}.",
				g.stalled.size(), g.members,
				g.stalled.size() == 1 ? "takes" : "take", ids,
				100.0 * static_cast<double>(g.stalled.size()) /
					static_cast<double>(g.members),
				l_.steal_us ? " until they have waited for steal_us"
					    : ", whatever this one does"),
		    commands);
		return;
	}
	const std::uint64_t mine = events(LISTENQ_EVENT_ACCEPTED);
	/* So many that it is no chance: the kernel's hash spreads them evenly. */
	if (g.stalled.empty() && g.accepted >= 50 * g.members &&
	    (mine * g.members > 3 * g.accepted || mine * g.members * 3 < g.accepted))
		add("group_uneven", Severity::note,
		    fmt::format("of {} accepted{} by the {} listeners at this address {} were this "
				"one's. The kernel chooses by a hash of the addresses and ports, "
				"or by a program that somebody attached: few clients with many "
				"connections are spread unevenly.",
				many(g.accepted, "connection"), meanwhile(), g.members, mine));
}

/* Who sets net.ipv4.* and sees nothing happen. */
void Case::tcp_settings()
{
	const struct {
		std::uint32_t flag, value;
	} all[] = {
		{LISTENQ_OWN_MAX_SYN_BACKLOG, l_.max_syn_backlog},
		{LISTENQ_OWN_ABORT_ON_OVERFLOW, l_.flags & LISTENQ_F_ABORT_ON_OVERFLOW ? 1U : 0U},
		{LISTENQ_OWN_SYNACK_RETRIES, l_.synack_retries},
		{LISTENQ_OWN_SYNCOOKIES, l_.syncookies},
	};
	std::string text;
	std::vector<std::string> commands;

	if (!l_.own || !l_.following)
		return;
	for (const auto &one : all) {
		const std::string name = own_names(one.flag).front();
		const auto tcp = o_.tcp.find(name);
		/* What is the listener's own is so by intent; the shards divide max_syn_backlog. */
		if (tcp == o_.tcp.end() || tcp->second == one.value ||
		    (*l_.own | *l_.following) & one.flag ||
		    (one.flag == LISTENQ_OWN_MAX_SYN_BACKLOG && l_.shards > 1))
			continue;
		text += fmt::format("{}net.ipv4.tcp_{} is {}, and {} here",
				    text.empty() ? "" : "; ", name, tcp->second, one.value);
		commands.push_back(fmt::format("lqctl set {}=-1", name));
	}
	if (!text.empty())
		add("tcp_settings_differ", Severity::note,
		    text + ": net.listenq's own was written, and TCP's has no effect on listenq "
			   "until it follows again.",
		    commands);
}

/* What is over, and when: never a problem, and no setting of today explains it. */
void Case::past()
{
	std::string what;

	if (!o_.before)
		return;
	for (const unsigned number :
	     {LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK,
	      LISTENQ_DROP_ABORT_ON_OVERFLOW, LISTENQ_DROP_SYN_QUEUE_FULL,
	      LISTENQ_DROP_SYN_LAST_QUARTER, LISTENQ_DROP_REQUEST_EVICTED,
	      LISTENQ_DROP_FILTER_OVERFLOW, LISTENQ_DROP_ACCEPT_EXPIRED, LISTENQ_DROP_ACCEPT_CODEL,
	      LISTENQ_DROP_SYN_ADMISSION, LISTENQ_DROP_NO_MEMORY, LISTENQ_DROP_CHILD_FAILED,
	      LISTENQ_DROP_NO_ROUTE, LISTENQ_DROP_LSM}) {
		const auto c = std::find_if(l_.drops.begin(), l_.drops.end(),
					    [&](const Counter &d) { return d.number == number; });
		if (c != l_.drops.end() && c->value && !drops(number))
			what += fmt::format("{}{} {}", what.empty() ? "" : ", ", c->value, c->name);
	}
	if (what.empty() || accept_refused())
		return;
	std::string text =
		fmt::format("over: {} since it began to listen, none{}.", what, meanwhile());
	if (l_.overflow_ago_s) {
		text += fmt::format(" The last overflow ended {} ago",
				    duration_text(l_.overflow_ago_s * 1'000'000ULL));
		const std::string shortest = duration_text(l_.overflow_shortest_ms * 1000ULL),
				  longest = duration_text(l_.overflow_longest_ms * 1000ULL);
		if (l_.overflows == 1)
			text += fmt::format("; it was the only one, and took {}.", longest);
		else
			text += fmt::format("; there were {}, of {}.", l_.overflows,
					    shortest == longest
						    ? shortest + " each"
						    : shortest + " to " + longest + " each");
	}
	add("past", Severity::note, text);
}

} // namespace lqctl
