/* SPDX-License-Identifier: GPL-2.0 */
/* The time of day: read, and written. */
#pragma once

#include <cstdint>
#include <string>

namespace lqctl {

/* ns of CLOCK_REALTIME, as all times here. */
[[nodiscard]] std::uint64_t now_ns();

/* RFC 3339, UTC, with so many digits of the second: 2025-11-21T10:31:02.123Z. */
[[nodiscard]] std::string utc_text(std::uint64_t time_ns, unsigned digits);

/* 14:05:07, the local time. */
[[nodiscard]] std::string time_of_day(std::uint64_t time_ns);

} // namespace lqctl
