/* SPDX-License-Identifier: GPL-2.0 */
/* Signals, to be read where everything else is waited for. */
#pragma once

#include <initializer_list>
#include <optional>

namespace lqctl {

class Signals final {
public:
	/*
	 * Of @all none interrupts any more. One that is ignored, by inheritance, would never come,
	 * as SIGINT of a script's "lqctl monitor &": those of @heard are no longer ignored.
	 */
	Signals(std::initializer_list<int> all, std::initializer_list<int> heard);
	~Signals();
	Signals(const Signals &) = delete;
	Signals &operator=(const Signals &) = delete;

	[[nodiscard]] int fd() const { return fd_; }
	/* The number of the next that has come; none: no more have. */
	[[nodiscard]] std::optional<int> next();

private:
	int fd_;
};

} // namespace lqctl
