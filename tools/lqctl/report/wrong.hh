/* SPDX-License-Identifier: GPL-2.0 */
/* What was wrong with the listeners of a recording: what explain found, and what the counters say.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/series.hh"

namespace lqctl {

/* What explain found, of the last verdict that has it. */
struct WrongFinding {
	std::string code;
	bool is_problem = false; /* in any verdict; else a warning */
	std::string text;
	std::vector<std::string> commands; /* to run */
	/* When it was found first, and when it was found no more: time_us of the timeline. A
	 * listener's next verdict comes as something changes, so in between it may have been over
	 * and back. */
	std::int64_t begin_us = 0, end_us = 0;
	bool is_over = false; /* else there is no end_us */
};

/* One listener. */
struct Wrong {
	std::size_t index = 0; /* of Timeline::listeners */
	std::string program, unit;
	bool is_problem = false;	    /* connections were refused, reset or kept waiting */
	std::vector<WrongFinding> findings; /* but notes: each code once, what goes on first */
	bool goes_on = false;		    /* one of them does */
	std::uint64_t drops = 0;	    /* but those that lose nobody anything */
	std::uint64_t wait_us = 0;	    /* 99 % waited less; 0: nobody waited */
	unsigned filled = 0;		    /* percent of the accept queue's limit, at most */
};

/* Whose the listener is, and what is known of it, wrong or not. */
[[nodiscard]] Wrong judge(const Recording &recording, const Timeline &timeline, std::size_t index);

/* Those that something is wrong with, the worst first. */
[[nodiscard]] std::vector<Wrong> find_wrong(const Recording &recording, const Timeline &timeline);

/* Whether @a is worse than @b. */
[[nodiscard]] bool is_worse(const Wrong &a, const Wrong &b);

} // namespace lqctl
