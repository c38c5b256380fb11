/* SPDX-License-Identifier: GPL-2.0 */
/* One listener whole, as lqctl show prints it. */
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/glyphs.hh"
#include "base/terminal.hh"
#include "model/crowd.hh"
#include "model/dropped.hh"
#include "model/listener.hh"

namespace lqctl {

struct ShowStyle {
	bool numeric = false;
	Glyphs glyphs = ascii_glyphs;
	Terminal terminal = {};
};

/* Who fills its queues, and whom it drops. */
struct Peers {
	Crowd waiting;	 /* for accept(), at its port */
	Crowd half_open; /* empty, too, where there are too many to look at */
	Dropped dropped;
};

[[nodiscard]] std::string show_text(const Listener &listener, const ShowStyle &style,
				    const Peers &peers = {});

/* The object of lqctl list, why its limits are what they are, and the peers. */
[[nodiscard]] nlohmann::ordered_json show_json(const Listener &listener, const Peers &peers = {});

} // namespace lqctl
