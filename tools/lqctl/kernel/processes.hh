/* SPDX-License-Identifier: GPL-2.0 */
/* Which processes hold a socket: by inode, found in /proc, as ss -p does. */
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <vector>

#include "model/process.hh"

namespace lqctl {

/*
 * By inode, in the order of pids and fds. Of other users' processes nothing is seen without
 * CAP_SYS_PTRACE.
 */
[[nodiscard]] std::map<std::uint64_t, std::vector<Process>>
find_processes(const std::filesystem::path &proc = "/proc");

} // namespace lqctl
