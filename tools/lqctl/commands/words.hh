/* SPDX-License-Identifier: GPL-2.0 */
/* What several commands say of the same option. */
#pragma once

namespace lqctl {

inline constexpr const char *filter_help =
	":PORT, ADDRESS, ADDRESS:PORT, @ID, or as in \"sport = :80 and drops > 0\"";
inline constexpr const char *numeric_help = "Ports as numbers, not as service names";
inline constexpr const char *all_netns_help =
	"In every network namespace that has a name or a process";
inline constexpr const char *no_header_help = "No line of column titles";

} // namespace lqctl
