// SPDX-License-Identifier: GPL-2.0
/* Outcomes: a table, and sentences about all of them. */
#include "view/outcomes.hh"

#include <fmt/core.h>

#include <algorithm>

#include "base/plural.hh"
#include "base/table.hh"

namespace lqctl {

namespace {

Tone tone_of(const Outcome &o)
{
	if (!o.well())
		return Tone::bad;
	return o.result == Result::draining ? Tone::warn : Tone::good;
}

std::string remark(const Outcome &o)
{
	if (o.reason)
		return o.reason->text;
	if (o.drain && !o.drain->empty())
		return fmt::format("{} to go", to_string(*o.drain));
	return "";
}

bool drains(const Outcome &o)
{
	return o.result == Result::draining;
}

} // namespace

std::string outcomes_text(const std::vector<Outcome> &outcomes, bool numeric,
			  const Terminal &terminal)
{
	using enum Table::Align;
	Table table(
		{{"Result", left}, {"Local Address:Port", left}, {"Process", left, 1}, {"", left}});

	for (const Outcome &o : outcomes)
		table.add({{to_string(o.result), tone_of(o)},
			   to_string(o.listener.address, numeric),
			   holder_text(o.listener.processes),
			   remark(o)});
	/* However long a reason is: it is what this is read for. */
	return table.render(true, {.colour = terminal.colour});
}

nlohmann::ordered_json outcomes_json(const std::vector<Outcome> &outcomes)
{
	nlohmann::ordered_json json;

	json["listeners"] = nlohmann::ordered_json::array();
	for (const Outcome &o : outcomes)
		json["listeners"].push_back(to_json(o));
	return json;
}

std::string waiting_text(const std::vector<Outcome> &outcomes)
{
	Drain sum;

	for (const Outcome &o : outcomes) {
		if (!drains(o) || !o.drain)
			continue;
		sum.half_open += o.drain->half_open;
		sum.queued += o.drain->queued;
		sum.held += o.drain->held;
	}
	const auto waiting = std::count_if(outcomes.begin(), outcomes.end(), drains);
	return fmt::format("waiting for {}: {}",
			   many(static_cast<std::uint64_t>(waiting), "listener"), to_string(sum));
}

std::string failures_text(const std::vector<Outcome> &outcomes, const std::string &what)
{
	const auto failed = std::count_if(outcomes.begin(), outcomes.end(),
					  [](const Outcome &o) { return !o.well(); });

	if (failed == 0)
		return "";
	return fmt::format("{} of {} could not be {}", failed, many(outcomes.size(), "listener"),
			   what);
}

} // namespace lqctl
