/* SPDX-License-Identifier: GPL-2.0 */
/* What lqctl set --listener and lqctl reset have in common. */
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "kernel/genl.hh"
#include "kernel/setting.hh"
#include "model/selection.hh"

namespace lqctl {

/* False: the listener has closed meanwhile. */
[[nodiscard]] bool change(Genl &genl, const Listener &listener,
			  const std::vector<Setting> &settings);

/* Sets them for all that are selected: their ids. Throws when there is none. */
[[nodiscard]] std::set<std::uint64_t> change_some(Genl &genl, const Selection &selection,
						  const std::vector<Setting> &settings);

/* Sets them for all that are selected, and says how these are then. Throws when there is none. */
[[nodiscard]] std::string change_all(const Selection &selection,
				     const std::vector<Setting> &settings, bool json);

} // namespace lqctl
