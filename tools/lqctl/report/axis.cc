// SPDX-License-Identifier: GPL-2.0
/* Axes: round steps of numbers and of time. */
#include "report/axis.hh"

#include <fmt/chrono.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace lqctl {

namespace {

constexpr std::int64_t second = 1'000'000, minute = 60 * second, hour = 60 * minute,
		       day = 24 * hour;

constexpr std::array<std::int64_t, 26> time_steps{
	10'000,	    20'000,	 50'000,      100'000,	   200'000,	500'000,  second,
	2 * second, 5 * second,	 10 * second, 15 * second, 30 * second, minute,	  2 * minute,
	5 * minute, 10 * minute, 15 * minute, 30 * minute, hour,	2 * hour, 3 * hour,
	6 * hour,   12 * hour,	 day,	      7 * day,	   30 * day,
};

} // namespace

std::vector<double> value_ticks(double largest, unsigned wanted, bool whole)
{
	std::vector<double> ticks;

	if (!(largest > 0) || !std::isfinite(largest))
		largest = 1;
	const double rough = largest / std::max(wanted, 1U);
	const double power = std::pow(10, std::floor(std::log10(rough)));
	double step = 10 * power;
	for (const double factor : {1.0, 2.0, 5.0}) {
		/* 1e-9: a step that fits exactly is not missed by a rounding error. */
		if (factor * power >= rough * (1 - 1e-9)) {
			step = factor * power;
			break;
		}
	}
	if (whole)
		step = std::max(std::round(step), 1.0);
	const double last = std::ceil(largest / step * (1 - 1e-9));
	for (double i = 0; i <= last; i++)
		ticks.push_back(i * step);
	return ticks;
}

std::vector<TimeTick> time_ticks(std::int64_t begin_ns, std::int64_t length_us, unsigned wanted)
{
	const std::int64_t begin_us = begin_ns / 1000;
	std::int64_t step = time_steps.back();
	std::vector<TimeTick> ticks;

	for (const std::int64_t one : time_steps) {
		if (length_us / one <= static_cast<std::int64_t>(wanted)) {
			step = one;
			break;
		}
	}
	while (length_us / step > static_cast<std::int64_t>(wanted))
		step *= 2;
	for (std::int64_t at = (begin_us + step - 1) / step * step; at <= begin_us + length_us;
	     at += step)
		ticks.push_back({at - begin_us, time_text(begin_ns, at - begin_us, length_us)});
	return ticks;
}

std::string time_text(std::int64_t begin_ns, std::int64_t us, std::int64_t length_us)
{
	const std::int64_t at = begin_ns / 1000 + us;
	const auto seconds = static_cast<std::time_t>(at / second);
	const std::tm tm = fmt::gmtime(seconds);
	const std::string text = length_us > day ? fmt::format("{:%b %d %H:%M}", tm)
						 : fmt::format("{:%H:%M:%S}", tm);

	if (length_us >= 10 * second)
		return text;
	return length_us >= second ? fmt::format("{}.{}", text, at % second / 100'000)
				   : fmt::format("{}.{:02}", text, at % second / 10'000);
}

std::string number_text(double number)
{
	constexpr const char *units[] = {"", "k", "M", "G", "T", "P", "E"};
	std::size_t unit = 0;

	if (!std::isfinite(number))
		return "-";
	if (number < 0)
		return "-" + number_text(-number);
	if (number < 10'000 && std::abs(number - std::round(number)) < 1e-9)
		return fmt::format("{:.0f}", number);
	if (number >= 9'999.5) {
		while (number >= 999.5 && unit + 1 < std::size(units)) {
			number /= 1000;
			unit++;
		}
	}
	const int decimals = number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2;
	std::string text = fmt::format("{:.{}f}", number, decimals);
	if (decimals) {
		text.erase(text.find_last_not_of('0') + 1);
		if (text.ends_with('.'))
			text.pop_back();
	}
	/* What is there is seen. */
	if (text == "0" && number > 0)
		return "<0.01";
	return text + units[unit];
}

std::string grouped(std::uint64_t number)
{
	std::string digits = fmt::format("{}", number), out;

	for (std::size_t i = 0; i < digits.size(); i++) {
		if (i && (digits.size() - i) % 3 == 0)
			out += "\u202f";
		out += digits[i];
	}
	return out;
}

} // namespace lqctl
