// SPDX-License-Identifier: GPL-2.0
/* What is known of a listener. */
#include "view/case.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>

#include "base/timespan.hh"

namespace lqctl {

namespace {

constexpr std::uint64_t slow_us = 100'000; /* half of all wait longer: accept() is slow */

/* What came to nothing after all is counted back. */
std::uint64_t grown(std::uint64_t now, std::uint64_t before)
{
	return now - std::min(now, before);
}

} // namespace

std::uint32_t rounded_up(std::uint64_t n)
{
	std::uint64_t unit = 1;

	n = std::clamp<std::uint64_t>(n, 16, 1 << 20);
	while (n > 100 * unit)
		unit *= 10;
	return static_cast<std::uint32_t>(
		std::min<std::uint64_t>((n + unit - 1) / unit * unit, 1 << 20));
}

Case::Case(const Observation &o)
    : o_(o), l_(o.now),
      waits_(o.before ? o.now.accept_wait.since(o.before->accept_wait) : o.now.accept_wait),
      stalled_(is_stalled(o))
{
}

std::vector<Finding> Case::all()
{
	descriptors();
	accept_stalled();
	clients_gone();
	overloaded();
	accept_queue();
	throttled();
	memory_pressure();
	group();
	shards();
	aborts();
	reflection();
	syn_queue();
	syn_bucket();
	last_quarter();
	both_queues();
	deferred();
	unserved();
	truncated();
	filter();
	no_memory();
	no_route();
	lsm();
	acks_missing();
	resets();
	close_call();
	cookie_options();
	tcp_settings();
	past();
	std::stable_sort(found_.begin(), found_.end(), [](const Finding &a, const Finding &b) {
		return a.severity > b.severity;
	});
	return std::move(found_);
}

std::uint64_t Case::drops(unsigned number) const
{
	return grown(counted(l_.drops, number), o_.before ? counted(o_.before->drops, number) : 0);
}

std::uint64_t Case::events(unsigned number) const
{
	return grown(counted(l_.events, number),
		     o_.before ? counted(o_.before->events, number) : 0);
}

std::string Case::meanwhile() const
{
	if (!o_.before)
		return " since it began to listen";
	return o_.seconds < 120
		       ? fmt::format(" in the last {:.1f} s", o_.seconds)
		       : fmt::format(" in the last {}",
				     duration_text(static_cast<std::uint64_t>(o_.seconds * 1e6)));
}

double Case::per_second(std::uint64_t count) const
{
	return o_.before && o_.seconds > 0 ? static_cast<double>(count) / o_.seconds : 0;
}

std::string Case::program() const
{
	return l_.processes.empty() ? "the program" : l_.processes.front().name;
}

std::string Case::program_words() const
{
	if (!o_.holders.empty() && !o_.holders.front().command.empty())
		return o_.holders.front().command;
	return l_.processes.empty() ? "PROGRAM" : shell_quoted(l_.processes.front().name);
}

std::string Case::from(std::uint32_t flag) const
{
	const std::string source = source_of(l_, flag);
	return source.empty() ? "" : fmt::format(" ({})", source);
}

std::string Case::set(std::uint32_t own, const std::string &assignment) const
{
	if (l_.own.value_or(0) & own)
		return fmt::format("lqctl set -l @{} {}", l_.id, assignment);
	return "lqctl set " + assignment;
}

void Case::add(const char *code, Severity severity, std::string text,
	       std::vector<std::string> commands)
{
	found_.push_back({code, severity, std::move(text), std::move(commands)});
}

bool Case::has(std::string_view code) const
{
	return std::any_of(found_.begin(), found_.end(),
			   [&](const Finding &f) { return f.code == code; });
}

std::uint64_t Case::accept_refused() const
{
	return drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN) +
	       drops(LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK) + drops(LISTENQ_DROP_ABORT_ON_OVERFLOW);
}

bool Case::half_wait_long() const
{
	const auto half = waits_.percentile_us(50);
	return !waits_.empty() && (!half || *half > slow_us);
}

std::string Case::half_waited() const
{
	return "half of the connections waited " + waits_.percentile_text(50);
}

bool Case::uneven_shards() const
{
	return l_.shards > 1 && l_.accept_qlen_peak < l_.accept_limit;
}

} // namespace lqctl
