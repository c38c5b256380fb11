// SPDX-License-Identifier: GPL-2.0
/* Cgroups by their numbers, which are those of their directories' inodes. */
#include "kernel/cgroups.hh"

#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/error.hh"
#include "kernel/sysctl.hh"

namespace lqctl {

namespace {

constexpr const char *sysctl_name = "adopt_cgroups";

} // namespace

std::uint64_t cgroup_id(const std::string &path)
{
	const std::string directory =
		path.starts_with('/') || path.starts_with('.') ? path : "/sys/fs/cgroup/" + path;
	struct statfs system;
	struct stat status;

	if (stat(directory.c_str(), &status) < 0 || statfs(directory.c_str(), &system) < 0)
		throw Error(fmt::format("{}: {}", directory, std::strerror(errno)));
	if (system.f_type != CGROUP2_SUPER_MAGIC || !S_ISDIR(status.st_mode))
		throw Error(
			fmt::format("{} is no cgroup of version 2: those are directories below "
				    "/sys/fs/cgroup, as \"systemctl show -P ControlGroup UNIT\" "
				    "names them",
				    directory));
	return status.st_ino;
}

std::string without_cgroup(std::string_view list, std::uint64_t id)
{
	std::istringstream words{std::string(list)};
	std::string rest;

	for (std::uint64_t one; words >> one;) {
		if (one != id)
			rest += (rest.empty() ? "" : " ") + std::to_string(one);
	}
	return rest;
}

std::string with_cgroup(std::string_view list, std::uint64_t id)
{
	const std::string others = without_cgroup(list, id);

	return others + (others.empty() ? "" : " ") + std::to_string(id);
}

bool watch_cgroup(std::uint64_t id, bool on)
{
	const SysctlDir settings;
	const std::string name = settings.resolve(sysctl_name), before = settings.read(name);

	if ((without_cgroup(before, id) != without_cgroup(before, 0)) == on)
		return false;
	settings.write(name, on ? with_cgroup(before, id) : without_cgroup(before, id));
	return true;
}

} // namespace lqctl
