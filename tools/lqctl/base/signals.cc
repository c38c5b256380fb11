// SPDX-License-Identifier: GPL-2.0
/* Signals, by signalfd(2). */
#include "base/signals.hh"

#include <fmt/core.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "base/error.hh"

namespace lqctl {

Signals::Signals(std::initializer_list<int> all, std::initializer_list<int> heard)
{
	sigset_t set;

	sigemptyset(&set);
	for (const int signal : all)
		sigaddset(&set, signal);
	for (const int signal : heard)
		std::signal(signal, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, nullptr);
	fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd_ < 0)
		throw Error(fmt::format("signalfd: {}", std::generic_category().message(errno)));
}

Signals::~Signals()
{
	close(fd_);
}

std::optional<int> Signals::next()
{
	signalfd_siginfo info;

	if (read(fd_, &info, sizeof(info)) != sizeof(info))
		return std::nullopt;
	return static_cast<int>(info.ssi_signo);
}

} // namespace lqctl
