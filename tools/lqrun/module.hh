/* SPDX-License-Identifier: GPL-2.0 */
/* What /sys and /proc say of the module: libc only, no allocation. */
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "decimal.hh"

namespace lqrun {

enum class Loaded { no, yes, unknown };

/* Whether a line of this file begins with these words. */
inline Loaded find_line(const char *path, const char *words)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return Loaded::unknown;
	char part[4096];
	bool candidate = true; /* so far the line is as the words */
	std::size_t matched = 0;
	ssize_t size;
	while ((size = read(fd, part, sizeof(part))) > 0) {
		for (ssize_t i = 0; i < size && words[matched]; i++) {
			candidate = part[i] == '\n' || (candidate && part[i] == words[matched]);
			matched = part[i] == '\n' ? 0 : matched + candidate;
		}
		if (!words[matched])
			break;
	}
	close(fd);
	return words[matched] ? Loaded::no : Loaded::yes;
}

inline Loaded module_loaded()
{
	if (access("/sys/module/listenq", F_OK) == 0)
		return Loaded::yes;
	if (errno == ENOENT && access("/sys/module", F_OK) == 0)
		return Loaded::no;
	return find_line("/proc/modules", "listenq ");
}

/* The family that it was loaded with; otherwise: it does not say. */
inline int module_family(int otherwise)
{
	char text[16] = {};
	const int fd = open("/sys/module/listenq/parameters/family", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return otherwise;
	const ssize_t size = read(fd, text, sizeof(text) - 1);
	close(fd);
	int number;
	if (size <= 0)
		return otherwise;
	text[std::strcspn(text, "\n")] = '\0';
	return parse_decimal(text, 255, number) ? number : otherwise;
}

} // namespace lqrun
