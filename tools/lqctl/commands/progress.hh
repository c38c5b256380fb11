/* SPDX-License-Identifier: GPL-2.0 */
/* What a command waits for. */
#pragma once

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

namespace lqctl {

/* On a terminal one line that changes, else a line now and then. */
class Progress final {
public:
	/* @hint: what interrupting it means. */
	void tell(const std::string &text, const char *hint)
	{
		using namespace std::chrono_literals;
		const auto now = Clock::now();

		if (terminal_) {
			fmt::print(stderr, "\r{} ({})\033[K", text, hint);
			told_ = true;
		} else if (now >= next_) {
			fmt::print(stderr, "lqctl: {}\n", text);
			next_ = now + 5s;
		}
	}
	~Progress()
	{
		if (told_)
			std::fputs("\r\033[K", stderr);
	}

private:
	using Clock = std::chrono::steady_clock;

	bool terminal_ = isatty(STDERR_FILENO) == 1;
	bool told_ = false;
	/* What is over at once needs no words. */
	Clock::time_point next_ = Clock::now() + std::chrono::seconds(1);
};

} // namespace lqctl
