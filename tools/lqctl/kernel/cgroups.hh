/* SPDX-License-Identifier: GPL-2.0 */
/* The cgroups whose listeners are adopted: net.listenq.adopt_cgroups. */
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lqctl {

/* The number of a cgroup of version 2: a directory, or its name below /sys/fs/cgroup. Throws. */
[[nodiscard]] std::uint64_t cgroup_id(const std::string &path);

/* @list, numbers between blanks, with @id once, or without it. */
[[nodiscard]] std::string with_cgroup(std::string_view list, std::uint64_t id);
[[nodiscard]] std::string without_cgroup(std::string_view list, std::uint64_t id);

/* Whoever listens in it is adopted from now on, or no more. False: it was so before. Throws. */
bool watch_cgroup(std::uint64_t id, bool on);

} // namespace lqctl
