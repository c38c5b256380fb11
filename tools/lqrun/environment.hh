/* SPDX-License-Identifier: GPL-2.0 */
/* How lqrun tells liblqrun.so what to do: the environment, which survives fork(2) and execve(2). */
#pragma once

#include <cstring>

namespace lqrun {

/* The backlog in place of listen()'s, as in UNP vol. 1 (Listen(), section 4.5). */
inline constexpr const char *env_backlog = "LISTENQ";
/* The number of the family, where the module was loaded with family=. */
inline constexpr const char *env_family = "LQRUN_FAMILY";
/* An accept filter for every listener, one of these. */
inline constexpr const char *env_filter = "LQRUN_ACCEPT_FILTER";
inline constexpr const char *filters[] = {"dataready", "httpready", "dnsready", "tlsready"};
inline const char *known_filter(const char *name)
{
	for (const char *known : filters) {
		if (name && std::strcmp(name, known) == 0)
			return known; /* not the environment's, which may change */
	}
	return nullptr;
}
/* Set: no plain TCP. */
inline constexpr const char *env_strict = "LQRUN_STRICT";
/* Set: report on stderr. */
inline constexpr const char *env_verbose = "LQRUN_VERBOSE";

} // namespace lqrun
