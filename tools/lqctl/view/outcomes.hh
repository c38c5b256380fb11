/* SPDX-License-Identifier: GPL-2.0 */
/* What lqctl adopt and lqctl release print. */
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/terminal.hh"
#include "model/outcome.hh"

namespace lqctl {

/* A line each. */
[[nodiscard]] std::string outcomes_text(const std::vector<Outcome> &outcomes, bool numeric,
					const Terminal &terminal);

[[nodiscard]] nlohmann::ordered_json outcomes_json(const std::vector<Outcome> &outcomes);

/* "waiting for 2 listeners: 3 half-open, 1 queued" */
[[nodiscard]] std::string waiting_text(const std::vector<Outcome> &outcomes);

/* "1 of 3 listeners could not be taken"; empty: all went well. */
[[nodiscard]] std::string failures_text(const std::vector<Outcome> &outcomes,
					const std::string &what);

} // namespace lqctl
