// SPDX-License-Identifier: GPL-2.0
/* Network namespaces, by setns(2). */
#include "kernel/netns.hh"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

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

bool in_our_netns(int pid)
{
	std::error_code error;
	const fs::path theirs = fs::read_symlink(fmt::format("/proc/{}/ns/net", pid), error);

	return error || theirs == fs::read_symlink("/proc/self/ns/net", error);
}

} // namespace lqctl
