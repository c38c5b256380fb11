// SPDX-License-Identifier: GPL-2.0
/* What is known of a listener. */
#include "view/case.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>
#include <bit>

#include "base/timespan.hh"

namespace lqctl {

namespace {

constexpr std::uint64_t slow_us = 100'000; /* half of all wait longer: accept() is slow */

} // namespace

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

std::vector<Finding> Case::all()
{
	accept_stalled();
	clients_gone();
	overloaded();
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
	std::stable_sort(found_.begin(), found_.end(), [](const Finding &a, const Finding &b) {
		return a.severity > b.severity;
	});
	return std::move(found_);
}

std::uint64_t Case::drops(unsigned number) const
{
	return counted(l_.drops, number);
}

std::uint64_t Case::events(unsigned number) const
{
	return counted(l_.events, number);
}

std::uint64_t Case::lately(std::initializer_list<unsigned> reasons) const
{
	std::uint64_t sum = 0;
	for (const unsigned number : reasons)
		sum += drops(number) - (o_.before ? counted(o_.before->drops, number) : 0);
	return o_.before ? sum : 0;
}

std::string Case::of_late(std::initializer_list<unsigned> reasons) const
{
	if (!o_.before)
		return "";
	const std::uint64_t n = lately(reasons);
	if (n == 0)
		return fmt::format(" (none in the last {:.1f} s)", o_.seconds);
	return fmt::format(" ({} of them in the last {:.1f} s)", n, o_.seconds);
}

std::string Case::program() const
{
	return l_.processes.empty() ? "the program" : l_.processes.front().name;
}

std::string Case::program_word() const
{
	return l_.processes.empty() ? "PROGRAM" : l_.processes.front().name;
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
	const auto half = l_.accept_wait.percentile_us(50);
	return !l_.accept_wait.empty() && (!half || *half > slow_us);
}

std::string Case::half_waited() const
{
	const auto half = l_.accept_wait.percentile_us(50);
	return half ? "half of the connections waited less than " + duration_text(*half)
		    : "half of the connections waited very long";
}

bool Case::uneven_shards() const
{
	return l_.shards > 1 && l_.accept_qlen_peak < l_.accept_limit;
}

} // namespace lqctl
