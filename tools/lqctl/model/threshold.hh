/* SPDX-License-Identifier: GPL-2.0 */
/* lqctl monitor --warn: queues that cross a part of their limit. */
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "model/event.hh"
#include "model/listener.hh"

namespace lqctl {

/* "80" or "80%": 1 to 100. */
[[nodiscard]] unsigned parse_percent(std::string_view text);

class Thresholds final {
public:
	explicit Thresholds(unsigned percent) : percent_(percent) {}

	/*
	 * The events accept_queue_above, accept_queue_below, syn_queue_above and syn_queue_below
	 * since the last call. A queue is above from percent of its limit on, and below again
	 * under nine tenths of that, so that a queue whose length stays about there makes one
	 * event.
	 */
	[[nodiscard]] std::vector<Event> update(const std::vector<Listener> &listeners,
						std::uint64_t time);

private:
	struct Above {
		bool accept = false, syn = false;
	};
	[[nodiscard]] bool is_above(bool before, std::uint64_t qlen, std::uint64_t limit) const;

	unsigned percent_;
	std::map<std::uint64_t, Above> above_; /* by the listener's id */
};

} // namespace lqctl
