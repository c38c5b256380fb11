/* SPDX-License-Identifier: GPL-2.0 */
/* What lqctl list prints of the listeners. */
#pragma once

#include <string>
#include <vector>

#include "glyphs.hh"
#include "listener.hh"

namespace lqctl {

struct ListingStyle {
	bool header = true;
	bool numeric = false;
	bool extended = false; /* detail lines below each listener */
	Glyphs glyphs = ascii_glyphs;
};

[[nodiscard]] std::string listing_text(const std::vector<Listener> &listeners,
				       const ListingStyle &style);

[[nodiscard]] nlohmann::ordered_json listing_json(const std::vector<Listener> &listeners);

} // namespace lqctl
