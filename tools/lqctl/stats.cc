// SPDX-License-Identifier: GPL-2.0
/* Stats: from attributes, to text and JSON. */
#include "stats.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include "table.hh"

namespace lqctl {

Stats parse_stats(Bytes attributes)
{
	Stats stats;

	for_each_attr(attributes, [&](const Attr &attr) {
		switch (attr.type()) {
		case LISTENQ_A_STATS_LISTENERS:
			stats.listeners = attr.number<std::uint32_t>();
			break;
		case LISTENQ_A_STATS_DROPS:
			stats.drops = parse_counters(CounterKind::drop, attr);
			break;
		case LISTENQ_A_STATS_EVENTS:
			stats.events = parse_counters(CounterKind::event, attr);
			break;
		default:
			break;
		}
	});
	return stats;
}

std::string stats_text(const Stats &stats, bool zeros)
{
	using enum Table::Align;
	Table table({{"Counter", left}, {"Value", right}, {"What it counts", left}});

	table.add({"listeners", fmt::format("{}", stats.listeners), "listening now"});
	for (const Counters *counters : {&stats.events, &stats.drops})
		for (const Counter &counter : *counters)
			if (zeros || counter.value != 0)
				table.add({counter.name, fmt::format("{}", counter.value),
					   counter.text});
	return table.render(false);
}

nlohmann::ordered_json to_json(const Stats &stats)
{
	nlohmann::ordered_json json;
	json["listeners"] = stats.listeners;
	json["drops_total"] = total(stats.drops);
	json["drops"] = to_json(stats.drops);
	json["events"] = to_json(stats.events);
	return json;
}

} // namespace lqctl
