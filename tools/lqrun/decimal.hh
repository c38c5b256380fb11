/* SPDX-License-Identifier: GPL-2.0 */
/* Decimal numbers without libc: the preload library may not allocate, nor look at the locale. */
#pragma once

#include <climits>

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

/* As a program that has not set LISTENQ: its own backlog. No number of listen()'s that is used. */
inline constexpr int own_backlog = INT_MIN;

/* A backlog: a number, or -1, which listen() takes for as many as there may be; else own_backlog.
 */
[[nodiscard]] constexpr int parse_backlog(const char *text)
{
	int number = own_backlog;

	if (text && text[0] == '-' && text[1] == '1' && !text[2])
		return -1;
	return text && parse_decimal(text, INT_MAX, number) ? number : own_backlog;
}

} // namespace lqrun
