/* SPDX-License-Identifier: GPL-2.0 */
/* Axes of a figure: where the ticks stand and what is written at them. */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lqctl {

/* 0 to at least @largest in steps of 1, 2 or 5 times a power of ten, about @wanted of them;
 * whole numbers only with @whole. The last is the axis's end. */
[[nodiscard]] std::vector<double> value_ticks(double largest, unsigned wanted, bool whole);

struct TimeTick {
	std::int64_t us; /* since the beginning */
	std::string text;
};
/* Round times of day, UTC, in a stretch of time that begins at @begin_ns of CLOCK_REALTIME. */
[[nodiscard]] std::vector<TimeTick> time_ticks(std::int64_t begin_ns, std::int64_t length_us,
					       unsigned wanted);

/* 10:31:02, with tenths where the stretch is shorter than ten seconds, with the date where it is
 * longer than a day. */
[[nodiscard]] std::string time_text(std::int64_t begin_ns, std::int64_t us, std::int64_t length_us);

/* 0, 7, 0.25, 1234, 12.3k, 4.5M: three digits, but whole numbers below 10000 whole. */
[[nodiscard]] std::string number_text(double number);

/* 1234567 as 1 234 567, with thin spaces. */
[[nodiscard]] std::string grouped(std::uint64_t number);

} // namespace lqctl
