/* SPDX-License-Identifier: GPL-2.0 */
/* What a command waits for. */
#pragma once

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>

#include "base/signals.hh"

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

/* A look now and then at something that goes on by itself, until it is done or a signal comes. */
class Wait final {
public:
	using Pause = std::chrono::milliseconds;

	/* @hint: what interrupting it means; @longest: between two looks. */
	explicit Wait(const char *hint, Pause longest = Pause(200)) : hint_(hint), longest_(longest)
	{
	}

	/* Says what is waited for, and waits until the next look; false: a signal came. */
	[[nodiscard]] bool goes_on(const std::string &text)
	{
		const Pause now = pause_;

		progress_.tell(text, hint_);
		pause_ = std::min(pause_ * 2, longest_);
		return pauses(now);
	}
	/* The same without words. */
	[[nodiscard]] bool pauses(Pause pause) const
	{
		pollfd fd{signals_.fd(), POLLIN, 0};

		return poll(&fd, 1, static_cast<int>(pause.count())) <= 0;
	}

private:
	const char *hint_;
	Pause longest_;
	Pause pause_{5};
	Signals signals_{{SIGINT, SIGTERM, SIGHUP}, {SIGINT, SIGTERM}};
	Progress progress_;
};

} // namespace lqctl
