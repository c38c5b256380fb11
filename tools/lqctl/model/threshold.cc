// SPDX-License-Identifier: GPL-2.0
/* lqctl monitor --warn: queues that cross a part of their limit. */
#include "model/threshold.hh"

#include <fmt/core.h>

#include <charconv>

#include "base/error.hh"

namespace lqctl {

unsigned parse_percent(std::string_view text)
{
	const std::string_view number = text.substr(0, text.find('%'));
	const char *last = number.data() + number.size();
	unsigned percent = 0;
	const auto [end, error] = std::from_chars(number.data(), last, percent);

	if (error != std::errc{} || end != last || percent < 1 || percent > 100 ||
	    text.size() - number.size() > 1)
		throw Error(fmt::format("\"{}\" is no part of a limit: write it as 80%", text));
	return percent;
}

bool Thresholds::is_above(bool before, std::uint64_t qlen, std::uint64_t limit) const
{
	if (limit == 0)
		return false;
	return before ? qlen * 1000 >= limit * percent_ * 9 : qlen * 100 >= limit * percent_;
}

std::vector<Event> Thresholds::update(const std::vector<Listener> &listeners, std::uint64_t time)
{
	std::map<std::uint64_t, Above> now;
	std::vector<Event> events;

	for (const Listener &l : listeners) {
		const Above before = above_[l.id];
		const Above after = {is_above(before.accept, l.accept_qlen, l.accept_limit),
				     is_above(before.syn, l.syn_qlen, l.syn_limit)};
		Event e = as_event(l, time);

		if (before.accept != after.accept) {
			e.type = after.accept ? "accept_queue_above" : "accept_queue_below";
			events.push_back(e);
		}
		if (before.syn != after.syn) {
			e.type = after.syn ? "syn_queue_above" : "syn_queue_below";
			events.push_back(e);
		}
		now[l.id] = after;
	}
	above_ = std::move(now); /* a listener that is gone has no event but its stop */
	return events;
}

} // namespace lqctl
