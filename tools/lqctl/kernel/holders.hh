/* SPDX-License-Identifier: GPL-2.0 */
/* What /proc and the cgroups say of the processes that hold a listener. */
#pragma once

#include <filesystem>
#include <vector>

#include "model/holder.hh"
#include "model/process.hh"

namespace lqctl {

/*
 * One for each pid of @processes, the first 64 of them: the workers of a server are alike. What may
 * not be read is not known; a process that went meanwhile is left out.
 */
[[nodiscard]] std::vector<Holder>
read_holders(const std::vector<Process> &processes, const std::filesystem::path &proc = "/proc",
	     const std::filesystem::path &cgroups = "/sys/fs/cgroup");

} // namespace lqctl
