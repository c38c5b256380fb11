/* SPDX-License-Identifier: GPL-2.0 */
/* What was wrong with the listeners of a recording: what explain found, and what the counters say.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/series.hh"

namespace lqctl {

/* One listener. */
struct Wrong {
	std::size_t index = 0; /* of Timeline::listeners */
	std::string program, unit;
	bool is_problem = false;	       /* connections were refused, reset or kept waiting */
	std::vector<RecordedFinding> findings; /* but notes: each once, the worst first */
	bool goes_on = false;		       /* the last verdict has one of them */
	std::uint64_t drops = 0;	       /* but those that lose nobody anything */
	std::uint64_t wait_us = 0;	       /* 99 % waited less; 0: nobody waited */
	unsigned filled = 0;		       /* percent of the accept queue's limit, at most */
};

/* Whose the listener is, and what is known of it, wrong or not. */
[[nodiscard]] Wrong judge(const Recording &recording, const Timeline &timeline, std::size_t index);

/* Those that something is wrong with, the worst first. */
[[nodiscard]] std::vector<Wrong> find_wrong(const Recording &recording, const Timeline &timeline);

/* Whether @a is worse than @b. */
[[nodiscard]] bool is_worse(const Wrong &a, const Wrong &b);

} // namespace lqctl
