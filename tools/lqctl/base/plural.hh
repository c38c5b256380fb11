/* SPDX-License-Identifier: GPL-2.0 */
/* Numbers in sentences. */
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace lqctl {

/* "1 SYN was", "3 SYNs were" */
[[nodiscard]] inline std::string plural(std::uint64_t n, std::string_view one,
					std::string_view more)
{
	return fmt::format("{} {}", n, n == 1 ? one : more);
}

/* "1 SYN", "3 SYNs" */
[[nodiscard]] inline std::string many(std::uint64_t n, const std::string &one)
{
	return plural(n, one, one + 's');
}

} // namespace lqctl
