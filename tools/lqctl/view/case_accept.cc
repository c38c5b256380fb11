// SPDX-License-Identifier: GPL-2.0
/* Findings about the accept queue, its filter and the backlog. */
#include "view/case.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>

#include "base/plural.hh"
#include "base/timespan.hh"
#include "model/limit.hh"

namespace lqctl {

namespace {

constexpr std::uint64_t very_slow_us = 1'000'000; /* one of a hundred waits longer */
constexpr std::uint64_t stalled_us = 1'000'000;	  /* so does the oldest */

} // namespace

void Case::accept_stalled()
{
	if (!o_.before && l_.accept_qlen && l_.accept_oldest >= stalled_us &&
	    events(LISTENQ_EVENT_ACCEPTED) == 0)
		return stalled("none was ever taken");
	if (l_.accept_qlen == 0 || !o_.before ||
	    events(LISTENQ_EVENT_ACCEPTED) != counted(o_.before->events, LISTENQ_EVENT_ACCEPTED) ||
	    (l_.accept_qlen < l_.accept_limit && l_.accept_oldest < stalled_us))
		return;
	stalled(fmt::format("none was taken in the last {:.1f} s", o_.seconds));
}

void Case::stalled(const std::string &since)
{
	const std::uint32_t waiting = l_.accept_qlen - std::min(l_.accept_gone, l_.accept_qlen);
	std::string text =
		fmt::format("{} does not call accept(): {} and {}; ", program(),
			    plural(waiting, "connection waits", "connections wait"), since);
	if (waiting == 0)
		text = fmt::format("{} does not call accept(), and its clients have left: {}; ",
				   program(), since);
	text += waiting == 0
			? fmt::format("the first of {} came {} ago.",
				      plural(l_.accept_gone, "connection", "connections"),
				      duration_text(l_.accept_oldest))
			: fmt::format("the oldest has waited {}.", duration_text(l_.accept_oldest));
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
		commands.push_back(l_.processes.empty() ? fmt::format("lqctl list -p @{}", l_.id)
							: fmt::format("strace -f -tt -p {}",
								      l_.processes.front().pid));
	}
	add("accept_stalled", Severity::problem, text, commands);
}

std::string Case::set_backlog(std::uint32_t backlog) const
{
	return fmt::format("lqctl set -l @{} backlog={}", l_.id, backlog);
}

void Case::clients_gone()
{
	const std::uint64_t n =
		drops(LISTENQ_DROP_ACCEPT_GONE) + drops(LISTENQ_DROP_ACCEPT_FINISHED);
	std::string text, verb;

	if (l_.accept_gone)
		text = fmt::format("of {} on the accept queue {} reset by the client meanwhile",
				   many(l_.accept_qlen, "connection"),
				   l_.accept_gone == l_.accept_qlen && l_.accept_gone > 1
					   ? "all were"
					   : plural(l_.accept_gone, "was", "were"));
	if (n)
		text += fmt::format(
			"{}{} left before accept(){}, and {} not handed out",
			text.empty() ? "" : "; ", many(n, "client"),
			of_late({LISTENQ_DROP_ACCEPT_GONE, LISTENQ_DROP_ACCEPT_FINISHED}),
			n == 1 ? "was" : "were");
	if (text.empty())
		return;
	text += l_.accept_dead == LISTENQ_DEAD_KEEP
			? ". accept_dead is keep: they take places, and accept()'s time."
			: ". They cost no accept(), and give up their places when the queue is "
			  "full. Clients who leave have waited too long, or only looked.";
	std::vector<std::string> commands;
	if (l_.accept_dead == LISTENQ_DEAD_KEEP)
		commands.push_back(set(LISTENQ_OWN_ACCEPT_DEAD, "accept_dead=skip"));
	add("clients_gone", l_.accept_gone ? Severity::warning : Severity::note, text, commands);
}

void Case::overloaded()
{
	const std::uint64_t expired = drops(LISTENQ_DROP_ACCEPT_EXPIRED),
			    codel = drops(LISTENQ_DROP_ACCEPT_CODEL),
			    admission = drops(LISTENQ_DROP_SYN_ADMISSION);
	std::string text;

	if (!expired && !codel && !admission)
		return;
	const auto say = [&](std::uint64_t count, const std::string &what, const char *setting) {
		if (count)
			text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", what, setting);
	};
	say(expired, many(expired, "connection") + " waited too long and got a RST",
	    "accept_max_wait_ms");
	say(codel, many(codel, "connection") + " got a RST to shorten the queue",
	    "codel_target_ms");
	say(admission, many(admission, "SYN") + " were refused early", "syn_admission_ms");
	add("overloaded", Severity::problem,
	    fmt::format("{} is offered more than it serves: {}{}. So it was set, and whom it still "
			"serves does not wait in vain; more workers would serve them all.",
			program(), text,
			of_late({LISTENQ_DROP_ACCEPT_EXPIRED, LISTENQ_DROP_ACCEPT_CODEL,
				 LISTENQ_DROP_SYN_ADMISSION})));
}

void Case::raise_backlog(std::string &text, std::vector<std::string> &commands,
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
			text += fmt::format(" listen() asked for {} and got {}: {}. It is {} by "
					    "now.",
					    l_.backlog_asked, l_.backlog, reason.text,
					    o_.somaxconn);
			commands.push_back(set_backlog(want));
			return;
		}
		text += fmt::format(" listen() asked for {} and got {}: {}. Raise that, then the "
				    "backlog.",
				    l_.backlog_asked, l_.backlog, reason.text);
		commands.push_back(fmt::format("sysctl -w net.core.somaxconn={}", want));
		commands.push_back(set_backlog(want));
		return;
	}
	case Cause::soacceptqueue:
		text += fmt::format(" listen() asked for {} and got {}: {}. It may be raised "
				    "while {} runs.",
				    l_.backlog_asked, l_.backlog, reason.text, program());
		commands.push_back(fmt::format(
			"lqctl set soacceptqueue={}",
			std::min<std::uint32_t>(
				l_.backlog_asked > 0 ? static_cast<std::uint32_t>(l_.backlog_asked)
						     : wanted,
				65535)));
		return;
	case Cause::policy:
		text += fmt::format(" listen() asked for {} and got {}: {}.", l_.backlog_asked,
				    l_.backlog, reason.text);
		commands.push_back(fmt::format("lqctl set -l @{} policy=linux", l_.id));
		return;
	case Cause::asked:
	case Cause::max_syn_backlog:
		break;
	}
	text += fmt::format(" {} asked for this backlog itself, {}: raise it now, and in its "
			    "configuration, or over its head, for when it starts again:",
			    program(), l_.backlog);
	if (o_.somaxconn && o_.somaxconn < wanted)
		commands.push_back(fmt::format("sysctl -w net.core.somaxconn={}", wanted));
	commands.push_back(set_backlog(wanted));
	commands.push_back(fmt::format("LISTENQ={} lqrun {}", wanted, program_word()));
}

void Case::accept_queue()
{
	const std::uint64_t refused = accept_refused();
	const auto ninety_nine = l_.accept_wait.percentile_us(99);
	const bool slow = !l_.accept_wait.empty() && (!ninety_nine || *ninety_nine > very_slow_us);

	if (refused == 0) {
		if (slow && !has("accept_stalled"))
			add("accept_slow", Severity::warning,
			    fmt::format("accept() comes late: of {} one in a hundred waited {} "
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
		of_late({LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK,
			 LISTENQ_DROP_ABORT_ON_OVERFLOW}));
	if (has("accept_stalled")) {
		add("accept_queue_full", Severity::problem,
		    text + " With nobody to accept them a larger queue fills as well.");
		return;
	}
	if (half_wait_long()) {
		add("accept_slow", Severity::problem,
		    text + fmt::format(" accept() comes too late: {}. A larger backlog lets "
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

void Case::shards()
{
	if (accept_refused() == 0 || !uneven_shards())
		return;
	add("shards_uneven", Severity::warning,
	    fmt::format("the queues are divided into {} shards, and connections fall to them "
			"by chance: one was full while all together never held more than {} "
			"of {}. Fewer shards, from the next start of {} on, or a larger "
			"backlog leave less to chance.",
			l_.shards, l_.accept_qlen_peak, l_.accept_limit, program()),
	    {fmt::format("lqctl set shards={}", l_.shards / 2)});
}

void Case::aborts()
{
	const std::uint64_t n = drops(LISTENQ_DROP_ABORT_ON_OVERFLOW);
	if (n == 0)
		return;
	std::string text =
		fmt::format("{} got a RST because the accept queue was full{}", many(n, "client"),
			    of_late({LISTENQ_DROP_ABORT_ON_OVERFLOW}));
	if (!(l_.flags & LISTENQ_F_ABORT_ON_OVERFLOW)) {
		add("aborted", Severity::problem,
		    text + fmt::format(", as the policy {} has it. Others let them try again.",
				       l_.policy),
		    {fmt::format("lqctl set -l @{} policy=linux", l_.id)});
		return;
	}
	add("aborted", Severity::problem,
	    text + fmt::format(": abort_on_overflow is 1{}. With 0 they would try again.",
			       from(LISTENQ_OWN_ABORT_ON_OVERFLOW)),
	    {set(LISTENQ_OWN_ABORT_ON_OVERFLOW, "abort_on_overflow=0")});
}

void Case::truncated()
{
	if (!(l_.flags & LISTENQ_F_BACKLOG_TRUNCATED) || has("backlog_small"))
		return;
	const bool tight = accept_refused() != 0 || 2ULL * l_.accept_qlen_peak >= l_.accept_limit;
	std::string text = fmt::format(
		"the backlog is smaller than {} wants it (the accept queue never held more "
		"than {} of {}).",
		program(), l_.accept_qlen_peak, l_.accept_limit);
	std::vector<std::string> commands;
	raise_backlog(text, commands, rounded_up(2ULL * l_.backlog));
	add("backlog_truncated", tight ? Severity::warning : Severity::note, text, commands);
}

void Case::filter()
{
	const std::uint64_t n = drops(LISTENQ_DROP_FILTER_OVERFLOW);
	if (n == 0)
		return;
	add("filter_overflow", Severity::problem,
	    fmt::format("the accept filter held too many: {} reset to make room{}, each the "
			"oldest, which had not sent what the filter waits for. Slow clients, "
			"or such as never speak; of these {} may wait.",
			plural(n, "connection was", "connections were"),
			of_late({LISTENQ_DROP_FILTER_OVERFLOW}),
			l_.filter_limit ? fmt::format("{}", l_.filter_limit) : "a backlog's worth"),
	    {fmt::format("lqctl set -l @{} accept_filter=none", l_.id)});
}

void Case::close_call()
{
	if (accept_refused() != 0 || has("accept_stalled") ||
	    5ULL * l_.accept_qlen_peak < 4ULL * l_.accept_limit || l_.accept_limit < 2)
		return;
	std::string text = fmt::format("the accept queue came close to its limit: it held {} of "
				       "{} once.",
				       l_.accept_qlen_peak, l_.accept_limit);
	std::vector<std::string> commands;
	if (!has("backlog_truncated"))
		raise_backlog(text, commands, rounded_up(2ULL * l_.backlog));
	add("close_to_limit", Severity::warning, text, commands);
}

} // namespace lqctl
