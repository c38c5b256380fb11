/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The probe of UNP exercise 15.4: a server that listens and never accepts, and a client that
 * connects until one connect() does not complete.
 */
#pragma once

#include <string>
#include <vector>

namespace lqctl {

/* One cell of the table. */
struct Probe {
	std::string policy; /* empty: plain TCP */
	int backlog;
	int completed = 0;    /* connections that the client saw completed */
	bool limited = false; /* stopped at the limit, not by a refusal */
};

/* "0-14", "1,5,128" or a mixture. Throws Error on anything else, or beyond 0..65535. */
[[nodiscard]] std::vector<int> parse_backlogs(const std::string &text);

/*
 * Run all of @probes at the same time on the loopback interface, one listener each. A connect()
 * that has not completed after @timeout_ms, or is reset, ends its probe. At most @limit
 * connections for each.
 */
void run_probes(std::vector<Probe> &probes, int timeout_ms, int limit);

/* A row for each policy, a column for each backlog. @probes: policy by policy, the same backlogs.
 */
[[nodiscard]] std::string probe_table(const std::vector<Probe> &probes,
				      const std::vector<int> &backlogs);

} // namespace lqctl
