// SPDX-License-Identifier: GPL-2.0
/* Counters: the words come from the lists in linux/listenq.h. */
#include "model/counters.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>
#include <iterator>

namespace lqctl {

Counters zero_counters(CounterKind kind)
{
#define COUNTER(number, NAME, name, text) {number, #name, text, 0},
	if (kind == CounterKind::drop)
		return {LISTENQ_DROPS(COUNTER)};
	return {LISTENQ_EVENTS(COUNTER)};
#undef COUNTER
}

Counters parse_counters(CounterKind kind, const Attr &nest)
{
	Counters counters = zero_counters(kind);

	for_each_attr(nest.payload(), [&](const Attr &attr) {
		if (attr.type() == 0) /* padding: LISTENQ_DROP_NONE, LISTENQ_EVENT_NONE */
			return;
		auto known = std::find_if(counters.begin(), counters.end(), [&](const Counter &c) {
			return c.number == attr.type();
		});
		auto value = attr.number<std::uint64_t>();
		if (known != counters.end()) {
			known->value = value;
			return;
		}
		counters.push_back(
			{attr.type(),
			 fmt::format("{}_{}", kind == CounterKind::drop ? "drop" : "event",
				     attr.type()),
			 "of a newer module: this lqctl has no word for it", value});
	});
	return counters;
}

std::uint64_t total(const Counters &counters)
{
	std::uint64_t sum = 0;
	for (const Counter &counter : counters)
		sum += counter.value;
	return sum;
}

bool is_harmless(unsigned drop)
{
	return drop < 64 && (LISTENQ_DROPS_HARMLESS >> drop & 1);
}

std::uint64_t total_drops(const Counters &drops)
{
	std::uint64_t sum = 0;
	for (const Counter &counter : drops)
		sum += is_harmless(counter.number) ? 0 : counter.value;
	return sum;
}

Counters select_drops(const Counters &drops, bool harmless)
{
	Counters selected;

	std::copy_if(drops.begin(), drops.end(), std::back_inserter(selected),
		     [&](const Counter &c) { return is_harmless(c.number) == harmless; });
	return selected;
}

std::uint64_t counted(const Counters &counters, unsigned number)
{
	for (const Counter &counter : counters) {
		if (counter.number == number)
			return counter.value;
	}
	return 0;
}

nlohmann::ordered_json to_json(const Counters &counters)
{
	auto json = nlohmann::ordered_json::object();
	for (const Counter &counter : counters)
		json[counter.name] = counter.value;
	return json;
}

} // namespace lqctl
