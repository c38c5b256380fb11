// SPDX-License-Identifier: GPL-2.0
/* Findings about the SYN queue and the handshakes that it holds. */
#include "view/case.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>

#include "base/plural.hh"
#include "model/limit.hh"

namespace lqctl {

void Case::syn_queue()
{
	const std::uint64_t refused =
		drops(LISTENQ_DROP_SYN_QUEUE_FULL) + drops(LISTENQ_DROP_REQUEST_EVICTED);
	const std::uint64_t cookies = events(LISTENQ_EVENT_COOKIE_SENT);
	const std::uint64_t created = events(LISTENQ_EVENT_REQUEST_CREATED);
	const std::uint64_t expired =
		drops(LISTENQ_DROP_REQUEST_EXPIRED) + drops(LISTENQ_DROP_REQUEST_EVICTED);
	const std::uint32_t old = l_.syn_qlen - std::min(l_.syn_young, l_.syn_qlen);

	if (refused == 0 && (cookies == 0 || l_.syncookies == 2 || cookies_of_a_bucket()))
		return;
	const std::string late =
		of_late({LISTENQ_DROP_SYN_QUEUE_FULL, LISTENQ_DROP_REQUEST_EVICTED});
	/* Requests that nobody completes, in the past or in the queue. */
	const bool flood = (created >= 16 && expired * 2 > created) ||
			   (l_.syn_qlen >= 8 && old * 2 > l_.syn_qlen);
	std::string text =
		fmt::format("the SYN queue was full, with {} half-open requests: ", l_.syn_limit);
	if (refused)
		text += fmt::format("{} dropped{}", plural(refused, "was", "were"), late);
	if (cookies)
		text += fmt::format("{}{} answered with a cookie, of which {} came back",
				    refused ? ", and " : "", many(cookies, "SYN"),
				    events(LISTENQ_EVENT_COOKIE_RECEIVED));
	text += '.';
	std::vector<std::string> commands;
	if (flood) {
		text += fmt::format(" Of {} {} got no ACK in time, and {} of the {} in the "
				    "queue had their SYN-ACK sent again: a SYN flood, or peers "
				    "that the SYN-ACKs do not reach.",
				    many(created, "request"), expired, old, l_.syn_qlen);
		if (l_.syncookies == 0) {
			text += fmt::format(" Without SYN cookies{} everybody else is shut out.",
					    from(LISTENQ_OWN_SYNCOOKIES));
			commands.push_back(set(LISTENQ_OWN_SYNCOOKIES, "syncookies=1"));
		} else {
			text += " SYN cookies let all others in; a longer queue would not "
				"help.";
		}
		commands.push_back(fmt::format("lqctl requests -n @{}", l_.id));
		add("syn_flood", l_.syncookies ? Severity::warning : Severity::problem, text,
		    commands);
		return;
	}
	const Reason reason = syn_limit_reason(l_);
	const std::uint32_t wanted = rounded_up(2ULL * l_.syn_limit);
	text += fmt::format(" The limit is {}.", reason.text);
	if (reason.cause == Cause::max_syn_backlog)
		commands.push_back(set(LISTENQ_OWN_MAX_SYN_BACKLOG,
				       fmt::format("max_syn_backlog={}", wanted)));
	else if (reason.cause == Cause::policy)
		commands.push_back(fmt::format("lqctl set -l @{} policy=linux", l_.id));
	else
		raise_backlog(text, commands, wanted);
	add("syn_queue_small", refused ? Severity::problem : Severity::warning, text, commands);
}

bool Case::cookies_of_a_bucket() const
{
	return l_.syncookies == 1 && events(LISTENQ_EVENT_COOKIE_SENT) && l_.shards <= 1 &&
	       l_.syn_qlen_peak && l_.syn_qlen_peak * 2ULL < l_.syn_limit;
}

void Case::syn_bucket()
{
	const std::uint64_t n = drops(LISTENQ_DROP_SYN_BUCKET_FULL);
	const std::uint64_t cookies = cookies_of_a_bucket() ? events(LISTENQ_EVENT_COOKIE_SENT) : 0;
	if (n == 0 && cookies == 0)
		return;
	std::string text = fmt::format("one bucket of the SYN queue's table was full, and "
				       "the queue, with {} of {} "
				       "at most, was not: ",
				       l_.syn_qlen_peak, l_.syn_limit);
	if (n)
		text += fmt::format("{} dropped{}", plural(n, "SYN was", "SYNs were"),
				    of_late({LISTENQ_DROP_SYN_BUCKET_FULL}));
	if (cookies)
		text += fmt::format("{}{} answered with a cookie", n ? ", and " : "",
				    many(cookies, "SYN"));
	text += fmt::format(". Chance does not do that: somebody knows the table's keys. "
			    "Others are hardly touched; a new start of {} has new keys.",
			    program());
	std::vector<std::string> commands;
	if (l_.syncookies == 0)
		commands.push_back(set(LISTENQ_OWN_SYNCOOKIES, "syncookies=1"));
	commands.push_back(fmt::format("lqctl requests -n @{}", l_.id));
	add("syn_bucket_full", Severity::warning, text, commands);
}

void Case::last_quarter()
{
	const std::uint64_t n = drops(LISTENQ_DROP_SYN_LAST_QUARTER);
	if (n == 0)
		return;
	add("syn_last_quarter", Severity::problem,
	    fmt::format("{} refused{}: without SYN cookies the last quarter of "
			"max_syn_backlog, {}{}, is for peers that are known to be alive.",
			plural(n, "SYN was", "SYNs were"), of_late({LISTENQ_DROP_SYN_LAST_QUARTER}),
			l_.max_syn_backlog, from(LISTENQ_OWN_MAX_SYN_BACKLOG)),
	    {set(LISTENQ_OWN_SYNCOOKIES, "syncookies=1"),
	     set(LISTENQ_OWN_MAX_SYN_BACKLOG,
		 fmt::format("max_syn_backlog={}", rounded_up(2ULL * l_.max_syn_backlog)))});
}

void Case::both_queues()
{
	const std::uint64_t n = drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
	if (n == 0 || !counts_both_queues(l_) || l_.accept_qlen_peak >= l_.accept_limit)
		return;
	add("half_open_places", Severity::problem,
	    fmt::format("{} refused{} though the accept queue never held more than {} of {}: "
			"with the policy {} half-open requests take its places (up to {} at "
			"once). A policy with a SYN queue of its own does not:",
			plural(n, "SYN was", "SYNs were"),
			of_late({LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN}), l_.accept_qlen_peak,
			l_.accept_limit, l_.policy, l_.syn_qlen_peak),
	    {fmt::format("lqctl set -l @{} policy=linux", l_.id)});
}

void Case::acks_missing()
{
	const std::uint64_t created = events(LISTENQ_EVENT_REQUEST_CREATED);
	const std::uint64_t n = drops(LISTENQ_DROP_REQUEST_EXPIRED);
	if (n < 10 || n * 10 < created || has("syn_flood"))
		return;
	add("acks_missing", Severity::warning,
	    fmt::format("{} of {} never got their last ACK{}: SYN-ACKs or ACKs are lost on the "
			"way (asymmetric routes, a firewall), or the SYNs are spoofed.",
			n, many(created, "handshake"), of_late({LISTENQ_DROP_REQUEST_EXPIRED})),
	    {fmt::format("lqctl requests -n @{}", l_.id),
	     fmt::format("tcpdump -ni any 'tcp port {} and tcp[tcpflags] & (tcp-syn|tcp-rst) "
			 "!= 0'",
			 l_.address.port)});
}

void Case::resets()
{
	const std::uint64_t created = events(LISTENQ_EVENT_REQUEST_CREATED);
	const std::uint64_t n = drops(LISTENQ_DROP_REQUEST_RESET);
	if (n < 10 || n * 10 < created)
		return;
	add("reset_by_peers", Severity::note,
	    fmt::format("{} of {} were reset by the peer before they were complete{}: port "
			"scans, health checks that stop half way, or impatient clients.",
			n, many(created, "handshake"), of_late({LISTENQ_DROP_REQUEST_RESET})));
}

} // namespace lqctl
