/* SPDX-License-Identifier: GPL-2.0 */
/* The counters of a whole network namespace, as LISTENQ_CMD_STATS_GET sends them. */
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "model/counters.hh"
#include "wire/attr.hh"

namespace lqctl {

struct Stats {
	std::uint32_t listeners = 0; /* live ones */
	Counters drops = zero_counters(CounterKind::drop);
	Counters events = zero_counters(CounterKind::event);
};

[[nodiscard]] Stats parse_stats(Bytes attributes);

struct StatsStyle {
	bool zeros = false;
	double seconds = 0; /* what was counted in so many, with a column of rates; 0: in all */
};
/* Name, value and what it counts; those at 0 only on request. */
[[nodiscard]] std::string stats_text(const Stats &stats, const StatsStyle &style);

[[nodiscard]] nlohmann::ordered_json to_json(const Stats &stats);

} // namespace lqctl
