// SPDX-License-Identifier: GPL-2.0
/* lqctl monitor --exec: processes, and who waits for which. */
#include "base/runner.hh"

#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <system_error>

#include "base/error.hh"

namespace lqctl {

/*
 * Its stdout is our stderr: stdout has events only. Signals are as a shell expects them, which
 * they are not here.
 */
pid_t Runner::spawn(const Environment &environment) const
{
	std::vector<std::string> strings;
	std::vector<char *> pointers;
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, defaults;
	pid_t pid;

	for (char **old = environ; *old; old++) {
		if (!std::string_view(*old).starts_with("LISTENQ_"))
			pointers.push_back(*old);
	}
	for (const auto &[name, value] : environment)
		strings.push_back(name + '=' + value);
	for (std::string &s : strings)
		pointers.push_back(s.data());
	pointers.push_back(nullptr);

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);

	char sh[] = "sh", c[] = "-c";
	std::string command = command_;
	char *const argv[] = {sh, c, command.data(), nullptr};
	const int error = posix_spawn(&pid, "/bin/sh", &files, &attributes, argv, pointers.data());
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	if (error)
		throw Error(fmt::format("cannot run /bin/sh: {}",
					std::generic_category().message(error)));
	return pid;
}

/* Starts those that wait, but none beside or before another of its subject. */
void Runner::go_on()
{
	std::set<std::uint64_t> busy;

	for (const auto &[pid, subject] : running_)
		busy.insert(subject);
	for (auto it = waiting_.begin(); it != waiting_.end() && running_.size() < at_once_;) {
		if (!busy.insert(it->subject).second) {
			++it;
			continue;
		}
		running_.emplace(spawn(it->environment), it->subject);
		it = waiting_.erase(it);
	}
}

bool Runner::start(std::uint64_t subject, const Environment &environment)
{
	if (waiting_.size() == most_waiting_)
		return false;
	waiting_.push_back({subject, environment});
	go_on();
	return true;
}

void Runner::reap()
{
	for (pid_t pid; (pid = waitpid(-1, nullptr, WNOHANG)) > 0;)
		running_.erase(pid);
	go_on();
}

} // namespace lqctl
