// SPDX-License-Identifier: GPL-2.0
/* Stats: from attributes, to text and JSON. */
#include "model/stats.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include "base/table.hh"

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

std::string stats_text(const Stats &stats, const StatsStyle &style)
{
	using enum Table::Align;
	const bool rates = style.seconds > 0;
	std::vector<Table::Column> columns = {{"Counter", left}, {"Value", right}};
	if (rates)
		columns.push_back({"Rate", right});
	columns.push_back({"What it counts", left});
	Table table(std::move(columns));
	const auto add = [&](const std::string &name, std::uint64_t value, const std::string &per,
			     const std::string &text) {
		if (rates)
			table.add({name, fmt::format("{}", value), per, text});
		else
			table.add({name, fmt::format("{}", value), text});
	};
	const auto rate = [&](std::uint64_t value) {
		return fmt::format("{:.1f}/s", static_cast<double>(value) / style.seconds);
	};

	add("listeners", stats.listeners, "", "listening now");
	for (const Counters *counters : {&stats.events, &stats.drops})
		for (const Counter &counter : *counters)
			if (style.zeros || counter.value != 0)
				add(counter.name, counter.value, rate(counter.value), counter.text);
	return table.render(false);
}

nlohmann::ordered_json to_json(const Stats &stats)
{
	nlohmann::ordered_json json;
	json["listeners"] = stats.listeners;
	json["drops_total"] = total_drops(stats.drops);
	json["drops"] = to_json(stats.drops);
	json["events"] = to_json(stats.events);
	return json;
}

} // namespace lqctl
