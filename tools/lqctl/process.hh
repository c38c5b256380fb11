/* SPDX-License-Identifier: GPL-2.0 */
/* Which processes hold a socket: by inode, found in /proc, as ss -p does. */
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace lqctl {

struct Process {
	std::string name; /* comm */
	int pid = 0;
	int fd = 0;
	char state = '?'; /* as in /proc/PID/stat: 'T' is stopped */
};

/*
 * By inode, in the order of pids and fds. Of other users' processes nothing is seen without
 * CAP_SYS_PTRACE.
 */
[[nodiscard]] std::map<std::uint64_t, std::vector<Process>>
find_processes(const std::filesystem::path &proc = "/proc");

/* users:(("nginx",pid=12,fd=6)), as ss -p; empty for none. */
[[nodiscard]] std::string processes_text(const std::vector<Process> &processes);

} // namespace lqctl
