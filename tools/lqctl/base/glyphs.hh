/* SPDX-License-Identifier: GPL-2.0 */
/* The few characters beyond ASCII that lqctl writes where the locale has them. */
#pragma once

#include <array>
#include <string_view>

namespace lqctl {

struct Glyphs {
	std::string_view arrow;
	std::string_view bar;
	std::array<std::string_view, 8> levels; /* from nothing to full */
};

inline constexpr Glyphs ascii_glyphs{"->", "#", {".", ":", "-", "=", "+", "*", "%", "#"}};
inline constexpr Glyphs utf8_glyphs{"→", "█", {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}};

/* By LC_ALL, LC_CTYPE, LANG; setlocale(3) must have been called. */
[[nodiscard]] const Glyphs &locale_glyphs();

} // namespace lqctl
