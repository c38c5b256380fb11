// SPDX-License-Identifier: GPL-2.0
/* Baselines: back from JSON. */
#include "model/baseline.hh"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hh"

namespace lqctl {

namespace {

void read_counters(Counters &counters, const nlohmann::json &json)
{
	for (Counter &c : counters)
		c.value = json.value(c.name, std::uint64_t{0});
}

bool none_fell(const Counters &before, const Counters &now)
{
	return std::all_of(before.begin(), before.end(),
			   [&](const Counter &c) { return c.value <= counted(now, c.number); });
}

} // namespace

std::map<std::uint64_t, Listener> parse_baseline(const std::string &text, const std::string &file)
{
	std::map<std::uint64_t, Listener> all;

	try {
		const auto json = nlohmann::json::parse(text);
		for (const auto &one : json.at("listeners")) {
			Listener l;
			std::vector<std::uint64_t> waits;
			if (one.at("id").is_null()) /* TCP's: list --all */
				continue;
			l.id = one.at("id").get<std::uint64_t>();
			l.inode = one.at("inode").get<std::uint64_t>();
			read_counters(l.drops, one.at("drops"));
			read_counters(l.events, one.at("events"));
			for (const auto &bucket : one.at("accept_wait"))
				waits.push_back(bucket.at("count").get<std::uint64_t>());
			l.accept_wait = Histogram(std::move(waits));
			/* An older lqctl did not write them. */
			const auto fine = one.find("accept_wait_fine");
			if (fine != one.end() && !fine->is_null())
				l.accept_wait = Histogram::from_fine_json(*fine);
			all.emplace(l.id, std::move(l));
		}
	} catch (const nlohmann::json::exception &) {
		throw Error(fmt::format("{} is not what \"lqctl list --json\" writes", file));
	}
	return all;
}

bool is_past_of(const Listener &before, const Listener &now)
{
	return before.id == now.id && before.inode == now.inode &&
	       none_fell(before.events, now.events);
}

} // namespace lqctl
