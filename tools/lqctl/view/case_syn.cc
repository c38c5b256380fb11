// SPDX-License-Identifier: GPL-2.0
/* Findings about the SYN queue and the handshakes that it holds. */
#include "view/case.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>

#include "base/plural.hh"
#include "model/limit.hh"

namespace lqctl {

namespace {

constexpr std::uint64_t enough = 16; /* of which half is no chance */

} // namespace

/*
 * SYNs whose senders do not answer. A client that was answered by a cookie, or has a request, is
 * back after one round trip, or waits for our accept queue, or for its own data: neither is a
 * flood.
 */
bool Case::is_flood() const
{
	const std::uint64_t cookies = events(LISTENQ_EVENT_COOKIE_SENT),
			    back = events(LISTENQ_EVENT_COOKIE_RECEIVED) +
				   drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK) +
				   drops(LISTENQ_DROP_ABORT_ON_OVERFLOW);
	const std::uint64_t created = events(LISTENQ_EVENT_REQUEST_CREATED),
			    expired = drops(LISTENQ_DROP_REQUEST_EXPIRED) +
				      drops(LISTENQ_DROP_REQUEST_EVICTED);
	const std::uint32_t old = l_.syn_qlen - std::min(l_.syn_young, l_.syn_qlen);
	const std::uint64_t acked = o_.half_open ? o_.half_open->acked : 0;

	/* Cookies come and none goes back: in its first second that is all that is seen. */
	if (cookies >= enough && back * 4 < cookies)
		return true;
	if (created >= enough && expired * 2 > created)
		return true;
	if (acked * 2 > l_.syn_qlen || l_.syn_qlen < 8)
		return false;
	if (o_.half_open && o_.half_open->late * 2 > l_.syn_qlen)
		return true;
	return !o_.half_open && old * 2 > l_.syn_qlen &&
	       events(LISTENQ_EVENT_ESTABLISHED) * 2 < created + old;
}

void Case::syn_queue()
{
	const std::uint64_t refused =
		drops(LISTENQ_DROP_SYN_QUEUE_FULL) + drops(LISTENQ_DROP_REQUEST_EVICTED);
	const std::uint64_t cookies = events(LISTENQ_EVENT_COOKIE_SENT);
	const std::uint64_t created = events(LISTENQ_EVENT_REQUEST_CREATED);
	const std::uint64_t expired =
		drops(LISTENQ_DROP_REQUEST_EXPIRED) + drops(LISTENQ_DROP_REQUEST_EVICTED);
	const std::uint32_t old = l_.syn_qlen - std::min(l_.syn_young, l_.syn_qlen);

	if (has("reflection") ||
	    (refused == 0 && (cookies == 0 || l_.syncookies == 2 || cookies_of_a_bucket())))
		return;
	/* Our own clients fill it: deferred(), unserved(). */
	if (o_.half_open && l_.syn_qlen && o_.half_open->acked * 2 > l_.syn_qlen)
		return;
	std::string text =
		fmt::format("the SYN queue was full, with {} half-open requests: ", l_.syn_limit);
	if (refused)
		text += fmt::format("{} dropped", plural(refused, "was", "were"));
	if (cookies)
		text += fmt::format("{}{} answered with a cookie, of which {} came back",
				    refused ? ", and " : "", many(cookies, "SYN"),
				    events(LISTENQ_EVENT_COOKIE_RECEIVED));
	text += meanwhile() + '.';
	std::vector<std::string> commands;
	if (is_flood()) {
		text += fmt::format(" Of {} {} got no ACK in time, and {} of the {} in the "
				    "queue had a timeout: a SYN flood, or peers "
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
	/* Who came in a second: a SYN-ACK that is lost is sent again after one, and until then it
	 * waits. */
	const auto second = static_cast<std::uint64_t>(per_second(created + refused + cookies));
	const std::uint32_t wanted = rounded_up(
		std::max(second, std::min<std::uint64_t>(l_.syn_limit + refused + cookies,
							 2ULL * l_.syn_limit)));
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
		text += fmt::format("{} dropped", plural(n, "SYN was", "SYNs were"));
	if (cookies)
		text += fmt::format("{}{} answered with a cookie", n ? ", and " : "",
				    many(cookies, "SYN"));
	text += fmt::format("{}. Chance does not do that: somebody knows the table's keys. "
			    "Others are hardly touched; a new start of {} has new keys.",
			    meanwhile(), program());
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
	std::vector<std::string> commands;
	if (l_.syncookies == 0)
		commands.push_back(set(LISTENQ_OWN_SYNCOOKIES, "syncookies=1"));
	commands.push_back(
		set(LISTENQ_OWN_MAX_SYN_BACKLOG,
		    fmt::format("max_syn_backlog={}", rounded_up(2ULL * l_.max_syn_backlog))));
	add("syn_last_quarter", Severity::problem,
	    fmt::format("{} refused{}: without SYN cookies the last quarter of "
			"max_syn_backlog, {}{}, is for peers that are known to be alive.",
			plural(n, "SYN was", "SYNs were"), meanwhile(), l_.max_syn_backlog,
			from(LISTENQ_OWN_MAX_SYN_BACKLOG)),
	    commands);
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
			plural(n, "SYN was", "SYNs were"), meanwhile(), l_.accept_qlen_peak,
			l_.accept_limit, l_.policy, l_.syn_qlen_peak),
	    {fmt::format("lqctl set -l @{} policy=linux", l_.id)});
}

/* Somebody else's address in the SYNs: it gets our SYN-ACKs. */
void Case::reflection()
{
	if (!o_.half_open || o_.half_open->silent < enough)
		return;
	const auto top = o_.half_open->peers.peers(1);
	if (top.empty() || top[0].count < enough || top[0].part < 0.5 ||
	    events(LISTENQ_EVENT_ESTABLISHED) > top[0].count)
		return;
	add("reflection", Severity::warning,
	    fmt::format("{} of {} without an answer are of one address, {}, which is silent: "
			"either it cannot be reached, or somebody sends SYNs in its name, and it "
			"is flooded with our SYN-ACKs. Fewer of them spare it; a firewall that "
			"limits SYNs for each address stops them.",
			top[0].count, many(o_.half_open->peers.count(), "handshake"), top[0].who),
	    {fmt::format("lqctl requests -n @{}", l_.id),
	     set(LISTENQ_OWN_SYNACK_RETRIES, "synack_retries=1")});
}

/* Held by TCP_DEFER_ACCEPT, which its server asked for. */
void Case::deferred()
{
	if (!o_.half_open || o_.half_open->acked * 2 <= l_.syn_qlen || stalled_ ||
	    l_.accept_qlen >= l_.accept_limit || l_.syn_qlen < l_.syn_limit)
		return;
	std::string text = fmt::format(
		"the SYN queue is full of clients that TCP_DEFER_ACCEPT holds back: of {} the ACK "
		"of {} has come, and their data has not. No flood: it is what {} asked for.",
		many(l_.syn_qlen, "request"), o_.half_open->acked, program());
	if (l_.syncookies == 0)
		text += " New clients find no room until these speak.";
	std::vector<std::string> commands;
	raise_backlog(text, commands, rounded_up(2ULL * l_.syn_limit));
	add("syn_queue_deferred", l_.syncookies ? Severity::note : Severity::warning, text,
	    commands);
}

/* Clients who did answer the SYN-ACK, and whom the accept queue had no room for. */
void Case::unserved()
{
	const std::uint64_t n = drops(LISTENQ_DROP_REQUEST_UNSERVED);
	const std::uint64_t waiting =
		o_.half_open && l_.accept_qlen >= l_.accept_limit ? o_.half_open->acked : 0;
	if (n == 0 && waiting == 0)
		return;
	std::string text;
	if (n)
		text = fmt::format("{} given up{}: the ACK had come, and the accept queue had no "
				   "room for it until the last SYN-ACK's time was over",
				   plural(n, "handshake was", "handshakes were"), meanwhile());
	if (waiting)
		text += fmt::format("{}{} on the SYN queue wait for room on the accept queue",
				    n ? "; " : "", waiting);
	add("requests_unserved", n ? Severity::problem : Severity::warning,
	    text + ". That is no loss on the network.");
}

void Case::acks_missing()
{
	const std::uint64_t expired = drops(LISTENQ_DROP_REQUEST_EXPIRED),
			    done = events(LISTENQ_EVENT_ESTABLISHED) +
				   events(LISTENQ_EVENT_FILTER_HELD);
	const std::uint64_t silent = o_.half_open ? o_.half_open->silent : 0;
	if (has("syn_flood") || has("reflection") ||
	    ((expired < 10 || expired * 10 < done) && (silent < 10 || silent * 2 < done)))
		return;
	std::string text;
	if (expired)
		text = fmt::format("{} never got their last ACK{}, and {} did",
				   many(expired, "handshake"), meanwhile(), done);
	if (silent)
		text += fmt::format("{}{} in the SYN queue had two timeouts or more",
				    text.empty() ? "" : "; ", silent);
	add("acks_missing", Severity::warning,
	    text + ": SYN-ACKs or ACKs are lost on the "
		   "way (asymmetric routes, a firewall), or the SYNs are spoofed.",
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
			n, many(created, "handshake"), meanwhile()));
}

/* A cookie has room for them in the timestamps only. */
void Case::cookie_options()
{
	const std::uint64_t n = events(LISTENQ_EVENT_COOKIE_RECEIVED);
	const auto timestamps = o_.tcp.find("timestamps");
	if (n == 0 || timestamps == o_.tcp.end() || timestamps->second != 0)
		return;
	add("cookies_lose_options", Severity::note,
	    fmt::format("{} made of a SYN cookie{} {} neither window scaling nor SACK, and {} slow "
			"over long distances: both are kept in TCP's timestamps, and "
			"net.ipv4.tcp_timestamps is 0.",
			plural(n, "connection", "connections"), meanwhile(),
			n == 1 ? "has" : "have", n == 1 ? "is" : "are"),
	    {"sysctl -w net.ipv4.tcp_timestamps=1"});
}

} // namespace lqctl
