// SPDX-License-Identifier: GPL-2.0
/* Network namespaces, by setns(2). */
#include "kernel/netns.hh"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <utility>

#include "base/error.hh"
#include "base/fd.hh"

namespace lqctl {

namespace {

namespace fs = std::filesystem;

fs::path file_of(const std::string &where)
{
	std::error_code ignored;

	if (where.find('/') != where.npos)
		return where;
	const fs::path named = fs::path("/run/netns") / where;
	const bool number = !where.empty() && std::all_of(where.begin(), where.end(), [](char c) {
		return c >= '0' && c <= '9';
	});
	if (number && !fs::exists(named, ignored))
		return fs::path("/proc") / where / "ns/net";
	return named;
}

Error not_entered(const std::string &where, int code)
{
	const std::string what = fmt::format("network namespace \"{}\"", where);

	if (code == ENOENT)
		return Error(fmt::format("there is no {}: give a name that \"ip netns\" shows, a "
					 "file, or a pid",
					 what));
	if (code == EPERM || code == EACCES)
		return Error(
			fmt::format("{} cannot be entered: run as root (CAP_SYS_ADMIN)", what));
	if (code == EINVAL)
		return Error(fmt::format("\"{}\" is no network namespace: give a name that \"ip "
					 "netns\" shows, a file, or a pid",
					 where));
	return Error(fmt::format("{} cannot be entered: {}", what,
				 std::generic_category().message(code)));
}

} // namespace

void enter_netns(const std::string &where)
{
	const Fd fd(open(file_of(where).c_str(), O_RDONLY | O_CLOEXEC));

	if (fd.get() < 0 || setns(fd.get(), CLONE_NEWNET) < 0)
		throw not_entered(where, errno);
}

std::vector<Netns> all_netns()
{
	std::vector<Netns> all;
	std::set<std::pair<dev_t, ino_t>> seen;
	std::error_code error;
	const auto add = [&](const std::string &name, const fs::path &file) {
		struct stat st {};
		if (stat(file.c_str(), &st) == 0 && seen.emplace(st.st_dev, st.st_ino).second)
			all.push_back({name, file});
	};

	add("this one", fmt::format("/proc/{}/ns/net", getpid()));
	for (fs::directory_iterator it("/run/netns", error), end; !error && it != end;
	     it.increment(error))
		add(it->path().filename(), it->path());
	for (fs::directory_iterator it("/proc", error), end; !error && it != end;
	     it.increment(error)) {
		const std::string pid = it->path().filename();
		std::string comm;
		if (pid.find_first_not_of("0123456789") != pid.npos)
			continue;
		std::getline(std::ifstream(it->path() / "comm"), comm);
		for (char &c : comm)
			c = static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c;
		add(fmt::format("pid {} ({})", pid, comm), it->path() / "ns/net");
	}
	return all;
}

std::uint32_t read_host_somaxconn()
{
	const Fd here(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	const Fd host(open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC));
	std::uint32_t value = 0;

	if (here.get() < 0 || host.get() < 0 || in_our_netns(1) ||
	    setns(host.get(), CLONE_NEWNET) < 0)
		return 0;
	std::ifstream("/proc/sys/net/core/somaxconn") >> value;
	if (setns(here.get(), CLONE_NEWNET) < 0)
		throw Error("this network namespace cannot be entered again");
	return value;
}

bool in_our_netns(int pid)
{
	std::error_code error;
	const fs::path theirs = fs::read_symlink(fmt::format("/proc/{}/ns/net", pid), error);

	return error || theirs == fs::read_symlink("/proc/self/ns/net", error);
}

} // namespace lqctl
