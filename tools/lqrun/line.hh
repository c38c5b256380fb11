/* SPDX-License-Identifier: GPL-2.0 */
/* What the preload library says: libc only, no allocation. */
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace lqrun {

class ErrnoKeeper final {
public:
	ErrnoKeeper() : errno_(errno) {}
	~ErrnoKeeper() { errno = errno_; }
	ErrnoKeeper(const ErrnoKeeper &) = delete;
	ErrnoKeeper &operator=(const ErrnoKeeper &) = delete;

private:
	int errno_;
};

/* One line to stderr with one write(2), so that lines of several threads do not mix. */
class Line final {
public:
	Line()
	{
		put("lqrun[");
		put(static_cast<long>(getpid()));
		put("]: ");
	}
	Line &put(const char *text)
	{
		while (*text && used_ < sizeof(text_) - 1)
			text_[used_++] = *text++;
		return *this;
	}
	Line &put(long number)
	{
		char digits[24];
		char *digit = digits + sizeof(digits);
		unsigned long rest = number < 0 ? 0UL - static_cast<unsigned long>(number)
						: static_cast<unsigned long>(number);
		*--digit = '\0';
		do
			*--digit = static_cast<char>('0' + rest % 10);
		while (rest /= 10);
		if (number < 0)
			*--digit = '-';
		return put(digit);
	}
	void write()
	{
		text_[used_++] = '\n';
		if (::write(STDERR_FILENO, text_, used_) < 0)
			return; /* the program may have closed stderr */
	}

private:
	char text_[512];
	std::size_t used_ = 0;
};

} // namespace lqrun
