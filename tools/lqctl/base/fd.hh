/* SPDX-License-Identifier: GPL-2.0 */
/* A file descriptor that is closed with its owner. */
#pragma once

#include <unistd.h>

#include <utility>

namespace lqctl {

class Fd final {
public:
	explicit Fd(int fd = -1) : fd_(fd) {}
	Fd(Fd &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
	Fd &operator=(Fd &&other) noexcept
	{
		std::swap(fd_, other.fd_);
		return *this;
	}
	~Fd()
	{
		if (fd_ >= 0)
			close(fd_);
	}
	[[nodiscard]] int get() const { return fd_; }
	/* It is another's to close. */
	int release() { return std::exchange(fd_, -1); }

private:
	int fd_;
};

} // namespace lqctl
