/* SPDX-License-Identifier: GPL-2.0 */
/* Decimal numbers without libc: the preload library may not allocate, nor look at the locale. */
#pragma once

namespace lqrun {

/* All of text as a number from 0 to max; false: it is none. */
[[nodiscard]] constexpr bool parse_decimal(const char *text, int max, int &number)
{
	long long value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (*text - '0');
		if (value > max)
			return false;
	}
	number = static_cast<int>(value);
	return true;
}

} // namespace lqrun
