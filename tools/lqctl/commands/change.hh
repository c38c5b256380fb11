/* SPDX-License-Identifier: GPL-2.0 */
/* What lqctl set --listener and lqctl reset have in common. */
#pragma once

#include <string>
#include <vector>

#include "kernel/setting.hh"
#include "model/selection.hh"

namespace lqctl {

/* Sets them for all that are selected, and says how these are then. Throws when there is none. */
[[nodiscard]] std::string change_all(const Selection &selection,
				     const std::vector<Setting> &settings, bool json);

} // namespace lqctl
