/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What holds a listener back, and what to change. A pure function of what was seen: no clock, no
 * file, no kernel.
 */
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "model/listener.hh"

namespace lqctl {

struct Observation {
	Listener now;
	std::optional<Listener> before; /* the same listener, a while ago */
	double seconds = 0;		/* ago */
	std::uint32_t somaxconn = 0;	/* net.core.somaxconn now; 0: not known */
};

enum class Severity {
	note,	 /* good to know */
	warning, /* nothing is lost yet, or not here */
	problem, /* connections are refused, reset or kept waiting */
};

struct Finding {
	std::string code; /* a stable name: lqctl(8) has them all */
	Severity severity;
	std::string text;
	std::vector<std::string> commands; /* to run, the most useful first */
};

/* The worst first. */
[[nodiscard]] std::vector<Finding> diagnose(const Observation &observation);

/* "nothing holds it back: ..." or "2 problems, 1 warning". */
[[nodiscard]] std::string verdict(const Observation &observation,
				  const std::vector<Finding> &findings);

[[nodiscard]] const char *to_string(Severity severity);
[[nodiscard]] nlohmann::ordered_json to_json(const Finding &finding);

} // namespace lqctl
