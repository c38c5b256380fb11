/* SPDX-License-Identifier: GPL-2.0 */
/* Network namespaces: entered by name, file or process. */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lqctl {

/* A name below /run/netns, a file, or a pid. Throws. */
void enter_netns(const std::string &where);

struct Netns {
	std::string name; /* as "ip netns" shows it, or "pid 12 (nginx)" */
	std::string file; /* for enter_netns() */
};

/* This one, and all others that have a name or a process, each once. */
[[nodiscard]] std::vector<Netns> all_netns();

/* net.core.somaxconn where process 1 is; 0: that is here, or it cannot be seen. */
[[nodiscard]] std::uint32_t read_host_somaxconn();

/* Whether the process is in the namespace that we are in; true where that cannot be seen. */
[[nodiscard]] bool in_our_netns(int pid);

} // namespace lqctl
