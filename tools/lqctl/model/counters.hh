/* SPDX-License-Identifier: GPL-2.0 */
/* The counters of a listener or a network namespace: drops and events, by number, name and words.
 */
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "wire/attr.hh"

namespace lqctl {

enum class CounterKind { drop, event };

struct Counter {
	unsigned number; /* enum listenq_drop or listenq_event */
	std::string name;
	std::string text; /* what happened */
	std::uint64_t value;
};

using Counters = std::vector<Counter>;

/* Every counter that this lqctl knows, at 0, in the order of the header. */
[[nodiscard]] Counters zero_counters(CounterKind kind);

/* The same with the values of a LISTENQ_A_*_DROPS or _EVENTS nest; one from a newer module becomes
 * drop_<n> or event_<n> at the end. */
[[nodiscard]] Counters parse_counters(CounterKind kind, const Attr &nest);

[[nodiscard]] std::uint64_t total(const Counters &counters);
/* Of drops: without those that lose nobody anything, LISTENQ_DROPS_HARMLESS. */
[[nodiscard]] std::uint64_t total_drops(const Counters &drops);
[[nodiscard]] bool is_harmless(unsigned drop);
/* Those of @drops that are harmless, or those that are not. */
[[nodiscard]] Counters select_drops(const Counters &drops, bool harmless);
/* 0 for one that is not among them. */
[[nodiscard]] std::uint64_t counted(const Counters &counters, unsigned number);

[[nodiscard]] nlohmann::ordered_json to_json(const Counters &counters);

} // namespace lqctl
