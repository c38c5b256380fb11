// SPDX-License-Identifier: GPL-2.0
/* Diagnoses: one function for each, asked one after the other. */
#include "view/diagnosis.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>
#include <bit>

#include "base/timespan.hh"
#include "model/limit.hh"

namespace lqctl {

namespace {

constexpr std::uint64_t slow_us = 100'000;	  /* half of all wait longer: accept() is slow */
constexpr std::uint64_t very_slow_us = 1'000'000; /* one of a hundred does */
constexpr std::uint64_t stalled_us = 1'000'000;	  /* the oldest waits longer */

std::uint64_t counted(const Counters &counters, unsigned number)
{
	for (const Counter &c : counters) {
		if (c.number == number)
			return c.value;
	}
	return 0;
}

std::uint32_t rounded_up(std::uint64_t n)
{
	return std::bit_ceil(
		static_cast<std::uint32_t>(std::clamp<std::uint64_t>(n, 128, 1 << 20)));
}

/* "1 SYN", "3 SYNs" */
std::string many(std::uint64_t n, const char *one)
{
	return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s");
}

class Case final {
public:
	explicit Case(const Observation &o) : o_(o), l_(o.now) {}

	std::vector<Finding> all()
	{
		accept_stalled();
		accept_queue();
		shards();
		aborts();
		syn_queue();
		syn_bucket();
		last_quarter();
		both_queues();
		truncated();
		filter();
		no_memory();
		no_route();
		lsm();
		acks_missing();
		resets();
		close_call();
		std::stable_sort(
			found_.begin(), found_.end(),
			[](const Finding &a, const Finding &b) { return a.severity > b.severity; });
		return std::move(found_);
	}

private:
	[[nodiscard]] std::uint64_t drops(unsigned number) const
	{
		return counted(l_.drops, number);
	}
	[[nodiscard]] std::uint64_t events(unsigned number) const
	{
		return counted(l_.events, number);
	}
	/* How many of them since the look before. */
	[[nodiscard]] std::uint64_t lately(std::initializer_list<unsigned> numbers) const
	{
		std::uint64_t sum = 0;
		for (const unsigned number : numbers)
			sum += drops(number) - (o_.before ? counted(o_.before->drops, number) : 0);
		return o_.before ? sum : 0;
	}
	/* " (3 of them in the last 1.0 s)" */
	[[nodiscard]] std::string of_late(std::initializer_list<unsigned> numbers) const
	{
		if (!o_.before)
			return "";
		const std::uint64_t n = lately(numbers);
		if (n == 0)
			return fmt::format(" (none in the last {:.1f} s)", o_.seconds);
		return fmt::format(" ({} of them in the last {:.1f} s)", n, o_.seconds);
	}
	[[nodiscard]] std::string program() const
	{
		return l_.processes.empty() ? "the program" : l_.processes.front().name;
	}
	[[nodiscard]] std::string program_word() const
	{
		return l_.processes.empty() ? "PROGRAM" : l_.processes.front().name;
	}
	/* A setting where it is from: the listener's own, or the namespace's. */
	[[nodiscard]] std::string set(std::uint32_t own, const std::string &assignment) const
	{
		if (l_.own.value_or(0) & own)
			return fmt::format("lqctl set -l @{} {}", l_.id, assignment);
		return "lqctl set " + assignment;
	}
	void add(const char *code, Severity severity, std::string text,
		 std::vector<std::string> commands = {})
	{
		found_.push_back({code, severity, std::move(text), std::move(commands)});
	}
	[[nodiscard]] bool has(std::string_view code) const
	{
		return std::any_of(found_.begin(), found_.end(),
				   [&](const Finding &f) { return f.code == code; });
	}
	[[nodiscard]] std::uint64_t accept_refused() const
	{
		return drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN) +
		       drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK) +
		       drops(LISTENQ_DROP_ABORT_ON_OVERFLOW);
	}
	[[nodiscard]] bool half_wait_long() const
	{
		const auto half = l_.accept_wait.percentile_us(50);
		return !l_.accept_wait.empty() && (!half || *half > slow_us);
	}
	[[nodiscard]] std::string half_waited() const
	{
		const auto half = l_.accept_wait.percentile_us(50);
		return half ? "half of the connections waited less than " + duration_text(*half)
			    : "half of the connections waited very long";
	}

	void accept_stalled()
	{
		if (!o_.before && l_.accept_qlen && l_.accept_oldest >= stalled_us &&
		    events(LISTENQ_EVENT_ACCEPTED) == 0)
			return stalled("none was ever taken");
		if (l_.accept_qlen == 0 || !o_.before ||
		    events(LISTENQ_EVENT_ACCEPTED) !=
			    counted(o_.before->events, LISTENQ_EVENT_ACCEPTED) ||
		    (l_.accept_qlen < l_.accept_limit && l_.accept_oldest < stalled_us))
			return;
		stalled(fmt::format("none was taken in the last {:.1f} s", o_.seconds));
	}
	void stalled(const std::string &since)
	{
		std::string text = fmt::format(
			"{} does not call accept(): {} and {}; the oldest has waited {}.",
			program(),
			l_.accept_qlen == 1 ? "1 connection waits"
					    : fmt::format("{} connections wait", l_.accept_qlen),
			since, duration_text(l_.accept_oldest));
		std::vector<std::string> commands;
		for (const Process &p : l_.processes) {
			if (p.state != 'T')
				continue;
			text += fmt::format(" It is stopped (pid {}).", p.pid);
			commands.push_back(fmt::format("kill -CONT {}", p.pid));
			break;
		}
		if (commands.empty()) {
			text += " No setting of the kernel's helps: see what it does instead.";
			commands.push_back(l_.processes.empty()
						   ? fmt::format("lqctl list -p @{}", l_.id)
						   : fmt::format("strace -f -tt -p {}",
								 l_.processes.front().pid));
		}
		add("accept_stalled", Severity::problem, text, commands);
	}

	/* What to do for a larger accept queue. */
	void raise_backlog(std::string &text, std::vector<std::string> &commands,
			   std::uint32_t wanted) const
	{
		const Reason reason = backlog_reason(l_);
		switch (reason.cause) {
		case Cause::somaxconn: {
			const std::uint32_t want =
				l_.backlog_asked > 0
					? std::max<std::uint32_t>(
						  static_cast<std::uint32_t>(l_.backlog_asked), 1)
					: wanted;
			if (o_.somaxconn >= want) {
				text += fmt::format(
					" listen() asked for {} and got {}: {}. It is {} by "
					"now: restart {}, or make it listen again.",
					l_.backlog_asked, l_.backlog, reason.text, o_.somaxconn,
					program());
				return;
			}
			text += fmt::format(
				" listen() asked for {} and got {}: {}. Raise that, then "
				"restart {}, or make it listen again: only listen() looks.",
				l_.backlog_asked, l_.backlog, reason.text, program());
			commands.push_back(fmt::format("sysctl -w net.core.somaxconn={}", want));
			return;
		}
		case Cause::soacceptqueue:
			text += fmt::format(
				" listen() asked for {} and got {}: {}. It may be raised "
				"while {} runs.",
				l_.backlog_asked, l_.backlog, reason.text, program());
			commands.push_back(fmt::format(
				"lqctl set soacceptqueue={}",
				std::min<std::uint32_t>(
					l_.backlog_asked > 0
						? static_cast<std::uint32_t>(l_.backlog_asked)
						: wanted,
					65535)));
			return;
		case Cause::policy:
			text += fmt::format(" listen() asked for {} and got {}: {}.",
					    l_.backlog_asked, l_.backlog, reason.text);
			commands.push_back(fmt::format("lqctl set -l @{} policy=linux", l_.id));
			return;
		case Cause::asked:
		case Cause::max_syn_backlog:
			break;
		}
		text += fmt::format(" {} asked for this backlog itself, {}: raise it in its "
				    "configuration, or over its head:",
				    program(), l_.backlog);
		if (o_.somaxconn && o_.somaxconn < wanted)
			commands.push_back(fmt::format("sysctl -w net.core.somaxconn={}", wanted));
		commands.push_back(fmt::format("LISTENQ={} lqrun {}", wanted, program_word()));
	}

	void accept_queue()
	{
		const std::uint64_t refused = accept_refused();
		const auto ninety_nine = l_.accept_wait.percentile_us(99);
		const bool slow =
			!l_.accept_wait.empty() && (!ninety_nine || *ninety_nine > very_slow_us);

		if (refused == 0) {
			if (slow && !has("accept_stalled"))
				add("accept_slow", Severity::warning,
				    fmt::format(
					    "accept() comes late: of {} one in a hundred waited {} "
					    "or longer for it. Nothing was refused yet.",
					    many(l_.accept_wait.count(), "connection"),
					    duration_text(very_slow_us)));
			return;
		}
		std::string text = fmt::format(
			"{} was full, with {} connections: {} and {} were refused{}.",
			uneven_shards() ? "a shard of the accept queue" : "the accept queue",
			uneven_shards() ? l_.accept_limit / l_.shards : l_.accept_limit,
			many(drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN), "SYN"),
			many(drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK) +
				     drops(LISTENQ_DROP_ABORT_ON_OVERFLOW),
			     "final ACK"),
			of_late({LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN,
				 LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK,
				 LISTENQ_DROP_ABORT_ON_OVERFLOW}));
		if (has("accept_stalled")) {
			add("accept_queue_full", Severity::problem,
			    text + " With nobody to accept them a larger queue fills as well.");
			return;
		}
		if (half_wait_long()) {
			add("accept_slow", Severity::problem,
			    text + fmt::format(
					   " accept() comes too late: {}. A larger backlog lets "
					   "clients wait longer, no more: let {} accept faster, "
					   "with more workers or threads, or listeners of its own "
					   "for each (SO_REUSEPORT).",
					   half_waited(), program()));
			return;
		}
		if (counts_both_queues(l_) && l_.accept_qlen_peak < l_.accept_limit)
			return; /* both_queues() */
		if (!l_.accept_wait.empty())
			text += fmt::format(" accept() keeps up: {}. So these were bursts, and the "
					    "queue is too short for them.",
					    half_waited());
		std::vector<std::string> commands;
		raise_backlog(text, commands, rounded_up(2ULL * l_.backlog));
		add("backlog_small", Severity::problem, text, commands);
	}

	/* One was full, and never all of them: their peaks are added up. */
	bool uneven_shards() const
	{
		return l_.shards > 1 && l_.accept_qlen_peak < l_.accept_limit;
	}

	void shards()
	{
		if (accept_refused() == 0 || !uneven_shards())
			return;
		add("shards_uneven", Severity::warning,
		    fmt::format(
			    "the queues are divided into {} shards, and connections fall to them "
			    "by chance: one was full while all together never held more than {} "
			    "of {}. Fewer shards, from the next start of {} on, or a larger "
			    "backlog leave less to chance.",
			    l_.shards, l_.accept_qlen_peak, l_.accept_limit, program()),
		    {fmt::format("lqctl set shards={}", l_.shards / 2)});
	}

	void aborts()
	{
		const std::uint64_t n = drops(LISTENQ_DROP_ABORT_ON_OVERFLOW);
		if (n == 0)
			return;
		std::string text =
			fmt::format("{} got a RST because the accept queue was full{}",
				    many(n, "client"), of_late({LISTENQ_DROP_ABORT_ON_OVERFLOW}));
		if (!(l_.flags & LISTENQ_F_ABORT_ON_OVERFLOW)) {
			add("aborted", Severity::problem,
			    text + fmt::format(
					   ", as the policy {} has it. Others let them try again.",
					   l_.policy),
			    {fmt::format("lqctl set -l @{} policy=linux", l_.id)});
			return;
		}
		add("aborted", Severity::problem,
		    text + ": abort_on_overflow is 1. With 0 they would try again.",
		    {set(LISTENQ_OWN_ABORT_ON_OVERFLOW, "abort_on_overflow=0")});
	}

	void syn_queue()
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
		std::string text = fmt::format(
			"the SYN queue was full, with {} half-open requests: ", l_.syn_limit);
		if (refused)
			text += fmt::format(
				"{} dropped{}",
				refused == 1 ? "1 was" : fmt::format("{} were", refused), late);
		if (cookies)
			text += fmt::format("{}{} answered with a cookie, of which {} came back",
					    refused ? ", and " : "", many(cookies, "SYN"),
					    events(LISTENQ_EVENT_COOKIE_RECEIVED));
		text += '.';
		std::vector<std::string> commands;
		if (flood) {
			text += fmt::format(
				" Of {} {} got no ACK in time, and {} of the {} in the "
				"queue had their SYN-ACK sent again: a SYN flood, or peers "
				"that the SYN-ACKs do not reach.",
				many(created, "request"), expired, old, l_.syn_qlen);
			if (l_.syncookies == 0) {
				text += " Without SYN cookies everybody else is shut out.";
				commands.push_back(set(LISTENQ_OWN_SYNCOOKIES, "syncookies=1"));
			} else {
				text += " SYN cookies let all others in; a longer queue would not "
					"help.";
			}
			commands.push_back(fmt::format("lqctl requests -n @{}", l_.id));
			add("syn_flood", l_.syncookies ? Severity::warning : Severity::problem,
			    text, commands);
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
		add("syn_queue_small", refused ? Severity::problem : Severity::warning, text,
		    commands);
	}

	/* Cookies, and the SYN queue as a whole was never near its limit. */
	[[nodiscard]] bool cookies_of_a_bucket() const
	{
		return l_.syncookies == 1 && events(LISTENQ_EVENT_COOKIE_SENT) && l_.shards <= 1 &&
		       l_.syn_qlen_peak && l_.syn_qlen_peak * 2ULL < l_.syn_limit;
	}

	void syn_bucket()
	{
		const std::uint64_t n = drops(LISTENQ_DROP_SYN_BUCKET_FULL);
		const std::uint64_t cookies =
			cookies_of_a_bucket() ? events(LISTENQ_EVENT_COOKIE_SENT) : 0;
		if (n == 0 && cookies == 0)
			return;
		std::string text = fmt::format("one bucket of the SYN queue's table was full, and "
					       "the queue, with {} of {} "
					       "at most, was not: ",
					       l_.syn_qlen_peak, l_.syn_limit);
		if (n)
			text += fmt::format("{} dropped{}",
					    n == 1 ? "1 SYN was" : fmt::format("{} SYNs were", n),
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

	void last_quarter()
	{
		const std::uint64_t n = drops(LISTENQ_DROP_SYN_LAST_QUARTER);
		if (n == 0)
			return;
		add("syn_last_quarter", Severity::problem,
		    fmt::format("{} refused{}: without SYN cookies the last quarter of "
				"max_syn_backlog, {}, is for peers that are known to be alive.",
				n == 1 ? "1 SYN was" : fmt::format("{} SYNs were", n),
				of_late({LISTENQ_DROP_SYN_LAST_QUARTER}), l_.max_syn_backlog),
		    {set(LISTENQ_OWN_SYNCOOKIES, "syncookies=1"),
		     set(LISTENQ_OWN_MAX_SYN_BACKLOG,
			 fmt::format("max_syn_backlog={}",
				     rounded_up(2ULL * l_.max_syn_backlog)))});
	}

	void both_queues()
	{
		const std::uint64_t n = drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
		if (n == 0 || !counts_both_queues(l_) || l_.accept_qlen_peak >= l_.accept_limit)
			return;
		add("half_open_places", Severity::problem,
		    fmt::format(
			    "{} refused{} though the accept queue never held more than {} of {}: "
			    "with the policy {} half-open requests take its places (up to {} at "
			    "once). A policy with a SYN queue of its own does not:",
			    n == 1 ? "1 SYN was" : fmt::format("{} SYNs were", n),
			    of_late({LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN}), l_.accept_qlen_peak,
			    l_.accept_limit, l_.policy, l_.syn_qlen_peak),
		    {fmt::format("lqctl set -l @{} policy=linux", l_.id)});
	}

	void truncated()
	{
		if (!(l_.flags & LISTENQ_F_BACKLOG_TRUNCATED) || has("backlog_small"))
			return;
		const bool tight =
			accept_refused() != 0 || 2ULL * l_.accept_qlen_peak >= l_.accept_limit;
		std::string text = fmt::format(
			"the backlog is smaller than {} wants it (the accept queue never held more "
			"than {} of {}).",
			program(), l_.accept_qlen_peak, l_.accept_limit);
		std::vector<std::string> commands;
		raise_backlog(text, commands, rounded_up(2ULL * l_.backlog));
		add("backlog_truncated", tight ? Severity::warning : Severity::note, text,
		    commands);
	}

	void filter()
	{
		const std::uint64_t n = drops(LISTENQ_DROP_FILTER_OVERFLOW);
		if (n == 0)
			return;
		add("filter_overflow", Severity::problem,
		    fmt::format(
			    "the accept filter held too many: {} reset to make room{}, each the "
			    "oldest, which had not sent what the filter waits for. Slow clients, "
			    "or such as never speak; of these {} may wait.",
			    n == 1 ? "1 connection was" : fmt::format("{} connections were", n),
			    of_late({LISTENQ_DROP_FILTER_OVERFLOW}),
			    l_.filter_limit ? fmt::format("{}", l_.filter_limit)
					    : "a backlog's worth"),
		    {fmt::format("lqctl set -l @{} accept_filter=none", l_.id)});
	}

	void no_memory()
	{
		const std::uint64_t requests = drops(LISTENQ_DROP_NO_MEMORY);
		const std::uint64_t children = drops(LISTENQ_DROP_CHILD_FAILED);
		if (requests == 0 && children == 0)
			return;
		add("no_memory", Severity::problem,
		    fmt::format("the kernel could not make {} and {}{}: memory is short, for the "
				"machine, the cgroup of {} or TCP as a whole (net.ipv4.tcp_mem).",
				many(requests, "request"), many(children, "child socket"),
				of_late({LISTENQ_DROP_NO_MEMORY, LISTENQ_DROP_CHILD_FAILED}),
				program()),
		    {"cat /proc/net/sockstat /proc/pressure/memory",
		     "nstat -az TcpExtTCPReqQFullDrop"
		     " TcpExtListenDrops"});
	}

	void no_route()
	{
		const std::uint64_t n = drops(LISTENQ_DROP_NO_ROUTE);
		if (n == 0)
			return;
		add("no_route", Severity::problem,
		    fmt::format("{} came from where no route leads back to{}: look at the routing "
				"table, and at reverse path filters.",
				many(n, "SYN"), of_late({LISTENQ_DROP_NO_ROUTE})),
		    {"ip route show table all", "sysctl net.ipv4.conf.all.rp_filter"});
	}

	void lsm()
	{
		const std::uint64_t n = drops(LISTENQ_DROP_LSM);
		if (n == 0)
			return;
		add("security_module", Severity::problem,
		    fmt::format("a security module refused {}{}.", many(n, "SYN"),
				of_late({LISTENQ_DROP_LSM})),
		    {"cat /sys/kernel/security/lsm", "journalctl -k -g 'avc|audit|apparmor'"});
	}

	void acks_missing()
	{
		const std::uint64_t created = events(LISTENQ_EVENT_REQUEST_CREATED);
		const std::uint64_t n = drops(LISTENQ_DROP_REQUEST_EXPIRED);
		if (n < 10 || n * 10 < created || has("syn_flood"))
			return;
		add("acks_missing", Severity::warning,
		    fmt::format(
			    "{} of {} never got their last ACK{}: SYN-ACKs or ACKs are lost on the "
			    "way (asymmetric routes, a firewall), or the SYNs are spoofed.",
			    n, many(created, "handshake"), of_late({LISTENQ_DROP_REQUEST_EXPIRED})),
		    {fmt::format("lqctl requests -n @{}", l_.id),
		     fmt::format(
			     "tcpdump -ni any 'tcp port {} and tcp[tcpflags] & (tcp-syn|tcp-rst) "
			     "!= 0'",
			     l_.address.port)});
	}

	void resets()
	{
		const std::uint64_t created = events(LISTENQ_EVENT_REQUEST_CREATED);
		const std::uint64_t n = drops(LISTENQ_DROP_REQUEST_RESET);
		if (n < 10 || n * 10 < created)
			return;
		add("reset_by_peers", Severity::note,
		    fmt::format("{} of {} were reset by the peer before they were complete{}: port "
				"scans, health checks that stop half way, or impatient clients.",
				n, many(created, "handshake"),
				of_late({LISTENQ_DROP_REQUEST_RESET})));
	}

	void close_call()
	{
		if (accept_refused() != 0 || has("accept_stalled") ||
		    5ULL * l_.accept_qlen_peak < 4ULL * l_.accept_limit || l_.accept_limit < 2)
			return;
		std::string text =
			fmt::format("the accept queue came close to its limit: it held {} of "
				    "{} once.",
				    l_.accept_qlen_peak, l_.accept_limit);
		std::vector<std::string> commands;
		if (!has("backlog_truncated"))
			raise_backlog(text, commands, rounded_up(2ULL * l_.backlog));
		add("close_to_limit", Severity::warning, text, commands);
	}

	const Observation &o_;
	const Listener &l_;
	std::vector<Finding> found_;
};

} // namespace

std::vector<Finding> diagnose(const Observation &observation)
{
	return Case(observation).all();
}

std::string verdict(const Observation &o, const std::vector<Finding> &findings)
{
	const Listener &l = o.now;
	std::size_t problems = 0, warnings = 0;

	for (const Finding &f : findings) {
		problems += f.severity == Severity::problem;
		warnings += f.severity == Severity::warning;
	}
	if (problems && warnings)
		return many(problems, "problem") + ", " + many(warnings, "warning");
	if (problems || warnings)
		return problems ? many(problems, "problem") : many(warnings, "warning");

	std::string text =
		fmt::format("nothing holds it back: its accept queue never held more than {} of {}",
			    l.accept_qlen_peak, l.accept_limit);
	if (const auto half = l.accept_wait.percentile_us(50))
		text += fmt::format(", and half of all waited less than {}", duration_text(*half));
	const std::uint64_t accepted = counted(l.events, LISTENQ_EVENT_ACCEPTED);
	if (accepted)
		text += fmt::format("; {} accepted", accepted);
	return text;
}

const char *to_string(Severity severity)
{
	switch (severity) {
	case Severity::note:
		return "note";
	case Severity::warning:
		return "warning";
	case Severity::problem:
		return "problem";
	}
	return "";
}

nlohmann::ordered_json to_json(const Finding &f)
{
	nlohmann::ordered_json json;
	json["code"] = f.code;
	json["severity"] = to_string(f.severity);
	json["text"] = f.text;
	json["commands"] = f.commands;
	return json;
}

} // namespace lqctl
