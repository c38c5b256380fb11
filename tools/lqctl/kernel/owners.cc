// SPDX-License-Identifier: GPL-2.0
/* Owners: /proc/PID/cgroup, and the cgroups' numbers that sock_diag has, which are inodes. */
#include "kernel/owners.hh"

#include <linux/inet_diag.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <system_error>

#include "kernel/sock_diag.hh"

namespace lqctl {

namespace fs = std::filesystem;

namespace {

/* TCP_LISTEN, whose header does not go with the kernel's. */
constexpr std::uint32_t listen_state = 10;

/* By inode; nothing where the kernel does not tell. */
std::map<std::uint64_t, std::uint64_t> socket_cgroups(const std::set<std::uint64_t> &inodes)
{
	std::map<std::uint64_t, std::uint64_t> found;

	try {
		dump_sockets({.states = 1U << listen_state}, [&](Bytes payload) {
			inet_diag_msg message;
			if (payload.size() < sizeof(message))
				return;
			std::memcpy(&message, payload.data(), sizeof(message));
			if (!inodes.contains(message.idiag_inode))
				return;
			for_each_attr(payload.subspan(NLMSG_ALIGN(sizeof(message))),
				      [&](const Attr &attr) {
					      if (attr.type() == INET_DIAG_CGROUP_ID)
						      found.emplace(message.idiag_inode,
								    attr.number<std::uint64_t>());
				      });
		});
	} catch (const NetlinkError &) {
	}
	return found;
}

} // namespace

Owner owner_of(const std::vector<Process> &processes, const fs::path &proc)
{
	if (processes.empty())
		return {};
	/* systemd keeps the sockets that it made for others. */
	const Process &holder = processes.front().pid == 1 && processes.back().pid != 1
					? *std::find_if(processes.begin(), processes.end(),
							[](const Process &p) { return p.pid != 1; })
					: processes.front();
	std::ifstream lines(proc / std::to_string(holder.pid) / "cgroup");
	Owner owner;

	for (std::string line; std::getline(lines, line);) {
		if (line.starts_with("0::"))
			owner = owner_of_cgroup(line.substr(3));
	}
	owner.program = holder.name;
	return owner;
}

std::map<std::uint64_t, std::string> cgroup_paths(std::set<std::uint64_t> ids, const fs::path &root)
{
	std::map<std::uint64_t, std::string> paths;
	const auto take = [&](const fs::path &directory) {
		struct stat st {};
		const std::string below = directory.lexically_relative(root);
		if (stat(directory.c_str(), &st) == 0 && ids.erase(st.st_ino))
			paths.emplace(st.st_ino, below == "." ? "/" : "/" + below);
	};
	std::error_code error;

	take(root);
	for (fs::recursive_directory_iterator
		     it(root, fs::directory_options::skip_permission_denied, error),
	     end;
	     !error && it != end && !ids.empty(); it.increment(error)) {
		std::error_code gone;
		if (it->is_directory(gone) && !it->is_symlink(gone))
			take(it->path());
	}
	return paths;
}

std::map<std::uint64_t, Owner> find_owners(const std::set<std::uint64_t> &inodes,
					   const ProcessesByInode &processes)
{
	std::map<std::uint64_t, Owner> owners;
	std::set<std::uint64_t> left, ids;

	for (const std::uint64_t inode : inodes) {
		const auto here = processes.find(inode);
		if (here != processes.end())
			owners[inode] = owner_of(here->second);
		if (here == processes.end() || owners[inode].cgroup.empty())
			left.insert(inode);
	}
	if (left.empty())
		return owners;
	const auto cgroups = socket_cgroups(left);
	for (const auto &[inode, id] : cgroups)
		ids.insert(id);
	const auto paths = cgroup_paths(ids);
	for (const auto &[inode, id] : cgroups) {
		const auto path = paths.find(id);
		if (path == paths.end())
			continue;
		const std::string program = owners[inode].program;
		owners[inode] = owner_of_cgroup(path->second);
		owners[inode].program = program;
	}
	return owners;
}

} // namespace lqctl
