/* SPDX-License-Identifier: GPL-2.0 */
/* One listener whole, as lqctl show prints it. */
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/glyphs.hh"
#include "base/terminal.hh"
#include "model/listener.hh"

namespace lqctl {

struct ShowStyle {
	bool numeric = false;
	Glyphs glyphs = ascii_glyphs;
	Terminal terminal = {};
};

[[nodiscard]] std::string show_text(const Listener &listener, const ShowStyle &style);

/* The object of lqctl list with a member "why". */
[[nodiscard]] nlohmann::ordered_json show_json(const Listener &listener);

} // namespace lqctl
