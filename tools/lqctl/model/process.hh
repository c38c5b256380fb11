/* SPDX-License-Identifier: GPL-2.0 */
/* A process that holds a listener's socket. */
#pragma once

#include <string>
#include <vector>

namespace lqctl {

struct Process {
	std::string name; /* comm */
	int pid = 0;
	int fd = 0;
	char state = '?'; /* as in /proc/PID/stat: 'T' is stopped */
};

/* "nginx (pid 12)", "nginx (pid 12) and 3 more"; "-" for none. */
[[nodiscard]] std::string holder_text(const std::vector<Process> &processes);

/* users:(("nginx",pid=12,fd=6)), as ss -p; empty for none. */
[[nodiscard]] std::string processes_text(const std::vector<Process> &processes);

} // namespace lqctl
