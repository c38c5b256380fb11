/* SPDX-License-Identifier: GPL-2.0 */
/* What lqctl list prints of the listeners. */
#pragma once

#include <string>
#include <vector>

#include "base/glyphs.hh"
#include "base/terminal.hh"
#include "model/listener.hh"

namespace lqctl {

struct ListingStyle {
	bool header = true;
	bool numeric = false;
	bool extended = false; /* detail lines below each listener */
	bool processes = false;
	Glyphs glyphs = ascii_glyphs;
	Terminal terminal = {};
};

[[nodiscard]] std::string listing_text(const std::vector<Listener> &listeners,
				       const ListingStyle &style);

/*
 * As FreeBSD's netstat -L: qlen/incqlen/maxqlen. incqlen are the connections that an accept filter
 * holds back.
 */
[[nodiscard]] std::string netstat_text(const std::vector<Listener> &listeners, bool header,
				       bool numeric);

/* "511", or with what listen() asked for: "65535->4096". */
[[nodiscard]] std::string backlog_text(const Listener &listener, const Glyphs &glyphs);

/* "title a 1, b 2", wrapped to @width, the further lines under the first's text; "": all are 0. */
[[nodiscard]] std::string nonzero_text(const std::string &title, const Counters &counters,
				       std::size_t width);

[[nodiscard]] nlohmann::ordered_json listing_json(const std::vector<Listener> &listeners);

} // namespace lqctl
