// SPDX-License-Identifier: GPL-2.0
/* Findings about the accept queue, and its filter. */
#include "view/case.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>

#include "base/plural.hh"
#include "base/timespan.hh"
#include "model/limit.hh"

namespace lqctl {

namespace {

constexpr std::uint64_t very_slow_us = 1'000'000; /* one of a hundred waits longer, or the oldest */

} // namespace

void Case::accept_stalled()
{
	if (!stalled_ || has("no_descriptors"))
		return;
	const std::uint32_t waiting = l_.accept_qlen - std::min(l_.accept_gone, l_.accept_qlen);
	std::string text = o_.before ? fmt::format("{}: no accept(){}", program(), meanwhile())
				     : program() + ": no accept() at all";
	if (waiting)
		text += fmt::format(", and {}; the oldest has waited {}.",
				    plural(waiting, "connection waits", "connections wait"),
				    duration_text(l_.accept_oldest));
	else
		text += fmt::format(", and its clients have left; the first of {} came {} ago.",
				    plural(l_.accept_gone, "connection", "connections"),
				    duration_text(l_.accept_oldest));
	if (o_.group.members > 1)
		text += fmt::format(
			" It is one of {} listeners at this address, {}: about {:.0f} % "
			"of the clients wait here.",
			o_.group.members,
			o_.group.stalled.size() == o_.group.members
				? "which all do so"
				: "and the kernel gives each its part",
			100.0 / static_cast<double>(o_.group.members));
	std::vector<std::string> commands;
	const std::string why = stopped(commands);
	text += why;
	if (why.empty()) {
		for (const Holder &h : o_.holders) {
			if (h.wchan.empty() || h.state == 'R')
				continue;
			text += fmt::format(" {} (pid {}) sleeps in {}.", h.name, h.pid, h.wchan);
			break;
		}
		for (const Holder &h : o_.holders) {
			if (h.state != 'R')
				continue;
			text += fmt::format(" {} (pid {}) runs: it is busy with something else.",
					    h.name, h.pid);
			break;
		}
		text += o_.group.members > 1 && l_.steal_us
				? " What waits longer than steal_us is there for the others."
				: " No setting makes it accept: see what it does instead.";
		commands.push_back(l_.processes.empty() ? fmt::format("lqctl list -p @{}", l_.id)
							: fmt::format("strace -f -tt -p {}",
								      l_.processes.front().pid));
	}
	/* Somebody else could. */
	if (o_.group.members > 1 && o_.group.members > o_.group.stalled.size() &&
	    l_.steal_us == 0) {
		text += " With steal_us the other listeners of the group would accept them.";
		commands.push_back(share());
	}
	add("accept_stalled", Severity::problem, text, commands);
}

/* The whole group: one that has it alone neither gives nor takes. */
std::string Case::share() const
{
	return fmt::format("lqctl set -l :{} steal_us=5000", l_.address.port);
}

std::string Case::set_backlog(std::uint32_t backlog) const
{
	return fmt::format("lqctl set -l @{} backlog={}", l_.id, backlog);
}

void Case::clients_gone()
{
	const std::uint64_t n =
		drops(LISTENQ_DROP_ACCEPT_GONE) + drops(LISTENQ_DROP_ACCEPT_FINISHED);
	std::string text;

	if (l_.accept_gone)
		text = fmt::format("of {} on the accept queue {} reset by the client meanwhile",
				   many(l_.accept_qlen, "connection"),
				   l_.accept_gone == l_.accept_qlen && l_.accept_gone > 1
					   ? "all were"
					   : plural(l_.accept_gone, "was", "were"));
	if (n)
		text += fmt::format("{}{} left before accept(){}, and {} not handed out",
				    text.empty() ? "" : "; ", many(n, "client"), meanwhile(),
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
			program(), text, meanwhile()));
}

void Case::raise_backlog(std::string &text, std::vector<std::string> &commands,
			 std::uint32_t wanted) const
{
	const Reason reason = backlog_reason(l_);

	switch (reason.cause) {
	case Cause::somaxconn: {
		const std::uint32_t asked =
			std::max(l_.backlog_asked > 0 ? static_cast<std::uint32_t>(l_.backlog_asked)
						      : wanted,
				 wanted);
		text += fmt::format(" listen() asked for {} and got {}: {}.", l_.backlog_asked,
				    l_.backlog, reason.text);
		if (o_.somaxconn && o_.somaxconn < asked)
			commands.push_back(fmt::format("sysctl -w net.core.somaxconn={}", asked));
		else
			text += fmt::format(" It is {} by now.", o_.somaxconn);
		if (o_.host_somaxconn && o_.host_somaxconn != o_.somaxconn)
			text += fmt::format(" The host's is {}: each network namespace has its "
					    "own, and this one's counts.",
					    o_.host_somaxconn);
		commands.push_back(set_backlog(asked));
		return;
	}
	case Cause::soacceptqueue:
		text += fmt::format(" listen() asked for {} and got {}: {}.", l_.backlog_asked,
				    l_.backlog, reason.text);
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
	const std::string unit = o_.holders.empty() ? "" : unit_of(o_.holders.front());
	if (unit.empty())
		commands.push_back(fmt::format("LISTENQ={} lqrun {}", wanted, program_words()));
	else
		commands.push_back(
			fmt::format("systemctl edit {}   # [Service] "
				    "Environment=LISTENQ={}, its ExecStart= behind lqrun",
				    unit, wanted));
}

/* Little's law: who comes while accept() pauses must find room. */
std::uint32_t Case::wanted_backlog(std::string &text) const
{
	const std::uint64_t came = events(LISTENQ_EVENT_ESTABLISHED) + accept_refused();
	const double rate = per_second(came);
	const std::uint64_t pause = waits_.percentile_us(99).value_or(0);
	const double needed = rate * static_cast<double>(pause) / 1e6;

	if (!o_.before || !pause || needed <= l_.accept_limit)
		/* What was turned away would have needed room beside what was there. */
		return rounded_up(std::min<std::uint64_t>(l_.backlog + accept_refused(),
							  2ULL * l_.backlog + 128));
	text += fmt::format(" {:.0f} a second came, and up to {} passed until accept() took them: "
			    "that is {:.0f} at once.",
			    rate, duration_text(pause), needed);
	return rounded_up(static_cast<std::uint64_t>(needed) + 1);
}

void Case::accept_queue()
{
	const std::uint64_t refused = accept_refused();
	const auto ninety_nine = waits_.percentile_us(99);
	const bool late = (!waits_.empty() && (!ninety_nine || *ninety_nine > very_slow_us)) ||
			  (l_.accept_qlen > l_.accept_gone && l_.accept_oldest > very_slow_us &&
			   l_.accept_order == LISTENQ_ORDER_FIFO);

	if (refused == 0) {
		if (late && !stalled_)
			add("accept_slow", Severity::warning,
			    fmt::format(
				    "accept() comes late: {}{}{}. Nothing was refused{}.",
				    waits_.empty() ? std::string("none was taken")
						   : fmt::format("of {} taken{} one in a hundred "
								 "waited {} or longer for it",
								 waits_.count(), meanwhile(),
								 duration_text(very_slow_us)),
				    l_.accept_qlen ? ", and the oldest that waits came " : "",
				    l_.accept_qlen ? duration_text(l_.accept_oldest) + " ago" : "",
				    meanwhile()));
		return;
	}
	std::string text =
		fmt::format("{} was full, with {} connections: {} and {} were refused{}.",
			    uneven_shards() ? "a shard of the accept queue" : "the accept queue",
			    uneven_shards() ? l_.accept_limit / l_.shards : l_.accept_limit,
			    many(drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN), "SYN"),
			    many(drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK) +
					 drops(LISTENQ_DROP_ABORT_ON_OVERFLOW),
				 "final ACK"),
			    meanwhile());
	if (stalled_) {
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
	if (!waits_.empty())
		text += fmt::format(" accept() keeps up: {}. So these were bursts, and the "
				    "queue is too short for them.",
				    half_waited());
	std::vector<std::string> commands;
	const std::uint32_t wanted = wanted_backlog(text);
	raise_backlog(text, commands, wanted);
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
	std::string text = fmt::format("{} got a RST because the accept queue was full{}",
				       many(n, "client"), meanwhile());
	if (!(l_.flags & LISTENQ_F_ABORT_ON_OVERFLOW)) {
		if (l_.policy == "linux") {
			/* Nothing that is set now does that: it was set otherwise then. */
			add("aborted", Severity::problem,
			    text + "; abort_on_overflow is 0 by now.");
			return;
		}
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

void Case::filter()
{
	const std::uint64_t n = drops(LISTENQ_DROP_FILTER_OVERFLOW);
	if (n == 0)
		return;
	std::vector<std::string> commands;
	if (!l_.accept_filter.empty())
		commands.push_back(fmt::format("lqctl set -l @{} accept_filter=none", l_.id));
	add("filter_overflow", Severity::problem,
	    fmt::format("the accept filter held too many: {} reset to make room{}, each the "
			"oldest, which had not sent what the filter waits for. Slow clients, "
			"or such as never speak; of these {} may wait.",
			plural(n, "connection was", "connections were"), meanwhile(),
			l_.filter_limit ? fmt::format("{}", l_.filter_limit) : "a backlog's worth"),
	    commands);
}

} // namespace lqctl
