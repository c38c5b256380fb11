// SPDX-License-Identifier: GPL-2.0
/* Lengths of time: parsed from what a user wrote, and written for one who reads. */
#include "base/timespan.hh"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/error.hh"

namespace lqctl {

namespace {

using namespace std::chrono_literals;

struct Unit {
	std::string_view suffix;
	std::string_view word;
	Microseconds length;
};

constexpr std::array units{
	Unit{"d", "d", 24h}, Unit{"h", "h", 1h},    Unit{"m", "min", 1min},
	Unit{"s", "s", 1s},  Unit{"ms", "ms", 1ms},
};
constexpr Microseconds longest = 24h * 3653;

const Unit *find_unit(std::string_view suffix)
{
	for (const Unit &unit : units) {
		if (unit.suffix == (suffix.empty() ? "s" : suffix))
			return &unit;
	}
	return nullptr;
}

/* 12.5, 3, 0.25: three digits of a fraction at most. */
std::string decimal(double value)
{
	std::string text = fmt::format("{:.3f}", value);
	text.erase(text.find_last_not_of('0') + 1);
	if (text.ends_with('.'))
		text.pop_back();
	return text;
}

} // namespace

Microseconds parse_timespan(std::string_view text, std::string_view what, Microseconds least)
{
	double number = 0;
	const char *last = text.data() + text.size();
	const auto [end, error] =
		std::from_chars(text.data(), last, number, std::chars_format::fixed);
	const Unit *unit = find_unit({end, static_cast<std::size_t>(last - end)});

	if (error != std::errc{} || !unit || !std::isfinite(number) || number < 0)
		throw Error(fmt::format("\"{}\" is no {}: write it as 500ms, 10s, 5m, 2h or 1d",
					text, what));
	const double us = number * static_cast<double>(unit->length.count());
	if (us < static_cast<double>(least.count()))
		throw Error(fmt::format("the {} \"{}\" is too short: {} at least", what, text,
					timespan_text(least)));
	if (us > static_cast<double>(longest.count()))
		throw Error(
			fmt::format("the {} \"{}\" is too long: ten years at most", what, text));
	return Microseconds(std::llround(us));
}

std::string timespan_text(Microseconds span)
{
	if (span < 0us)
		return '-' + timespan_text(-span);
	if (span < 1ms)
		return fmt::format("{} us", span.count());
	if (span < 1s)
		return decimal(static_cast<double>(span.count()) / 1e3) + " ms";
	if (span < 1min)
		return decimal(static_cast<double>(span.count()) / 1e6) + " s";
	for (std::size_t i = 0; i + 1 < units.size(); i++) {
		const auto [whole, rest] =
			std::pair(span / units[i].length, span % units[i].length);
		if (whole == 0)
			continue;
		const auto next = rest / units[i + 1].length;
		return next ? fmt::format("{} {} {} {}", whole, units[i].word, next,
					  units[i + 1].word)
			    : fmt::format("{} {}", whole, units[i].word);
	}
	return "0 s";
}

std::string duration_text(std::uint64_t us)
{
	if (us < 1000)
		return fmt::format("{} us", us);
	if (us < 10'000)
		return fmt::format("{}.{} ms", us / 1000, us % 1000 / 100);
	if (us < 1'000'000)
		return fmt::format("{} ms", us / 1000);
	if (us < 100'000'000)
		return fmt::format("{}.{} s", us / 1'000'000, us % 1'000'000 / 100'000);
	return fmt::format("{} min", us / 60'000'000);
}

} // namespace lqctl
