/* SPDX-License-Identifier: GPL-2.0 */
/* lqctl explain where no listener of ours is: what is there instead. */
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "view/absence.hh"

namespace lqctl {

/* None: a listener of ours matches, or @filter is no address and port. */
[[nodiscard]] std::optional<Absence> find_absence(const std::vector<std::string> &filter,
						  bool numeric);

/* As explain --json has it. */
[[nodiscard]] nlohmann::ordered_json absence_json(const Absence &absence,
						  const std::vector<Finding> &findings);

} // namespace lqctl
