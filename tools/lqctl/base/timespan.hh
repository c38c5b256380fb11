/* SPDX-License-Identifier: GPL-2.0 */
/* Lengths of time as a user writes and reads them: 500ms, 1.5s, 2m. */
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace lqctl {

using Microseconds = std::chrono::duration<std::int64_t, std::micro>;

/*
 * A decimal number and "ms", "s", "m", "h" or "d"; without a unit, seconds. Throws when it is none,
 * or shorter than @least, or longer than 10 years; @what names it in the message.
 */
[[nodiscard]] Microseconds parse_timespan(std::string_view text, std::string_view what,
					  Microseconds least);

/* Two units at most, as in "1 h 5 min", "12.5 s", "250 ms". */
[[nodiscard]] std::string timespan_text(Microseconds span);

/* Such as 0.4 ms, 12 ms, 3.2 s, 4 min. */
[[nodiscard]] std::string duration_text(std::uint64_t us);

} // namespace lqctl
