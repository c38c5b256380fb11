// SPDX-License-Identifier: GPL-2.0
/* The module's users: its count, and the sockets behind it. */
#include "kernel/users.hh"

#include <fmt/core.h>
#include <sys/socket.h>

#include <fstream>

#include "kernel/adoption.hh"
#include "kernel/descriptor.hh"
#include "kernel/netns.hh"
#include "kernel/processes.hh"

namespace lqctl {

namespace {

bool listens(int fd)
{
	int value = 0;
	socklen_t length = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value;
}

std::string sentence(const Process &p, int fd)
{
	const std::string who = fmt::format("{} (pid {}, fd {})", p.name, p.pid, p.fd);

	if (!listens(fd))
		return fmt::format("{} does not listen: \"lqctl release --pid {} --fd {}\"", who,
				   p.pid, p.fd);
	if (!in_our_netns(p.pid))
		return fmt::format("{} listens in another network namespace: \"lqctl release --all "
				   "-N {}\"",
				   who, p.pid);
	return fmt::format("{} listens: \"lqctl release --pid {} --fd {}\"", who, p.pid, p.fd);
}

} // namespace

std::uint64_t module_users()
{
	std::uint64_t users = 0;

	std::ifstream("/sys/module/listenq/refcnt") >> users;
	return users;
}

std::vector<std::string> sockets_in_use()
{
	std::vector<std::string> sentences;

	for (const auto &[inode, processes] : find_processes()) {
		const Process &p = processes.front();
		const Taken taken = take_descriptor(p.pid, p.fd);
		if (taken.fd.get() >= 0 && is_ours(taken.fd.get()))
			sentences.push_back(sentence(p, taken.fd.get()));
	}
	return sentences;
}

} // namespace lqctl
