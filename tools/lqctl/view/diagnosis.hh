/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What holds a listener back, and what to change. A pure function of what was seen: no clock, no
 * file, no kernel.
 */
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "view/finding.hh"

namespace lqctl {

/* The worst first. */
[[nodiscard]] std::vector<Finding> diagnose(const Observation &observation);

/* "nothing holds it back: ..." or "2 problems, 1 warning". */
[[nodiscard]] std::string verdict(const Observation &observation,
				  const std::vector<Finding> &findings);

/* Who fills its queues, where somebody stands out: a line for each queue, or none. */
[[nodiscard]] std::string crowds_text(const Observation &observation);

[[nodiscard]] const char *to_string(Severity severity);
[[nodiscard]] nlohmann::ordered_json to_json(const Finding &finding);

} // namespace lqctl
