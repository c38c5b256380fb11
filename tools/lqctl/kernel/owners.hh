/* SPDX-License-Identifier: GPL-2.0 */
/* Whose listeners are: by the processes that hold them, and else by their sockets' cgroups. */
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/owner.hh"
#include "model/process.hh"

namespace lqctl {

using ProcessesByInode = std::map<std::uint64_t, std::vector<Process>>;

/*
 * By inode, of the listeners of this network namespace. @processes: as find_processes() has them;
 * where they are not seen, for want of a privilege, the socket's own cgroup says what it can.
 */
[[nodiscard]] std::map<std::uint64_t, Owner> find_owners(const std::set<std::uint64_t> &inodes,
							 const ProcessesByInode &processes);

/* --- its parts --- */

/* Of who holds a socket; with an empty cgroup where that is not to be seen. */
[[nodiscard]] Owner owner_of(const std::vector<Process> &processes,
			     const std::filesystem::path &proc = "/proc");

/* The paths of those cgroups, below @root; those that are not there any more are left out. */
[[nodiscard]] std::map<std::uint64_t, std::string>
cgroup_paths(std::set<std::uint64_t> ids, const std::filesystem::path &root = "/sys/fs/cgroup");

} // namespace lqctl
