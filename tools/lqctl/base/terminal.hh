/* SPDX-License-Identifier: GPL-2.0 */
/* What stdout is: a terminal of so many columns, which shows colours, or none. */
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lqctl {

enum class Tone { plain, title, dim, good, warn, bad };

struct Terminal {
	bool colour = false;
	unsigned columns = 0; /* 0: no terminal, as wide as it takes */
};

/* Colour only on a terminal, and not with NO_COLOR (no-color.org) or TERM=dumb. */
[[nodiscard]] Terminal stdout_terminal();

[[nodiscard]] std::string paint(std::string_view text, Tone tone, bool colour);

/* Lines of at most @width columns, each behind @indent, where words allow. A number and its unit
 * ("40 ms") are one word. */
[[nodiscard]] std::string wrapped(std::string_view text, std::string_view indent,
				  std::size_t width);

/* Part of a limit that is taken: from 80 % on a warning, full is bad. */
[[nodiscard]] Tone level_tone(std::uint64_t part, std::uint64_t limit);

} // namespace lqctl
