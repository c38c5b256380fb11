// SPDX-License-Identifier: GPL-2.0
/* Metrics: the kernel's numbers, one network namespace after the other. */
#include "commands/metrics.hh"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <system_error>

#include "base/error.hh"
#include "base/fd.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "kernel/netns.hh"
#include "kernel/owners.hh"
#include "kernel/processes.hh"
#include "view/prometheus.hh"

namespace lqctl {

namespace {

constexpr const char *module_directory = "/sys/module/listenq";

BuildInfo read_build()
{
	BuildInfo build;
	utsname name{};

	std::getline(std::ifstream(std::string(module_directory) + "/version"), build.module);
	if (uname(&name) == 0)
		build.kernel = name.release;
	return build;
}

/* Where we are now; another namespace in which nobody listens by listenq is left out. */
void add(Metrics &metrics, const std::optional<std::string> &netns, const Selection &selection,
	 const ProcessesByInode &processes)
{
	Genl genl;
	const std::vector<Listener> listeners = find_listeners(genl, selection);
	std::set<std::uint64_t> inodes;

	if (netns && !netns->empty() && listeners.empty())
		return;
	for (const Listener &l : listeners)
		inodes.insert(l.inode);
	metrics.add(netns, genl.stats(), listeners, find_owners(inodes, processes));
}

/* Its name; one without has the number that readlink /proc/PID/ns/net shows. */
std::string label_of(const Netns &ns)
{
	struct stat st {};

	if (!ns.file.starts_with("/proc/"))
		return ns.name;
	return stat(ns.file.c_str(), &st) == 0 ? std::to_string(st.st_ino) : ns.name;
}

void add_everywhere(Metrics &metrics, const Selection &selection, const ProcessesByInode &processes)
{
	const Fd here(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	const std::vector<Netns> all = all_netns();

	if (here.get() < 0)
		throw Error("this network namespace cannot be seen: is /proc mounted?");
	const auto back = [&] {
		if (setns(here.get(), CLONE_NEWNET) < 0)
			throw Error("this network namespace cannot be entered again");
	};
	add(metrics, "", selection, processes);
	for (auto ns = all.begin() + 1; ns < all.end(); ++ns) {
		const std::string label = label_of(*ns);
		std::error_code gone;
		try {
			enter_netns(ns->file);
		} catch (const Error &) {
			/* It may have ended meanwhile. */
			if (!std::filesystem::exists(ns->file, gone))
				continue;
			back();
			throw;
		}
		try {
			add(metrics, label, selection, processes);
		} catch (...) {
			back();
			throw;
		}
	}
	back();
}

} // namespace

std::string metrics_text(const Selection &selection, bool all_netns, bool may_load)
{
	if (!may_load && !std::filesystem::exists(module_directory))
		return Metrics::text_without_module(read_build());
	try {
		const ProcessesByInode processes = find_processes();
		std::optional<Genl> loads_it;
		if (may_load)
			loads_it.emplace();
		Metrics metrics(read_build());
		if (all_netns)
			add_everywhere(metrics, selection, processes);
		else
			add(metrics, std::nullopt, selection, processes);
		return metrics.text();
	} catch (const Error &error) {
		if (may_load || error.status() != Exit::no_module)
			throw;
		return Metrics::text_without_module(read_build());
	}
}

} // namespace lqctl
