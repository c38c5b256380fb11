/* SPDX-License-Identifier: GPL-2.0 */
/* "Did you mean": the word that a mistyped one was meant to be. */
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lqctl {

/* Letters to put in, to leave out, to change, or to swap with the next: optimal string alignment.
 */
[[nodiscard]] inline std::size_t distance(std::string_view a, std::string_view b)
{
	std::vector<std::vector<std::size_t>> d(a.size() + 1,
						std::vector<std::size_t>(b.size() + 1));

	for (std::size_t i = 0; i <= a.size(); i++) {
		for (std::size_t j = 0; j <= b.size(); j++) {
			if (i == 0 || j == 0) {
				d[i][j] = i + j;
				continue;
			}
			d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1,
					    d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[a.size()][b.size()];
}

/* Of @words the first of those that are nearest; empty: a third of its letters is wrong, or more.
 */
[[nodiscard]] inline std::string nearest(std::string_view word,
					 const std::vector<std::string> &words)
{
	std::string found;
	std::size_t least = std::min<std::size_t>(word.size(), 40);

	for (const std::string &one : words) {
		const std::size_t away = distance(word.substr(0, 40), one);

		if (away < least && 3 * away <= std::max(word.size(), one.size())) {
			least = away;
			found = one;
		}
	}
	return found;
}

} // namespace lqctl
