// SPDX-License-Identifier: GPL-2.0
/* Programs: the search in PATH, and what their files say. */
#include "program.hh"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <vector>

#include "elf.hh"

namespace lqrun {

namespace {

enum class Found { runnable, not_executable, missing };

Found look_at(const std::string &file)
{
	struct stat st;
	if (stat(file.c_str(), &st) != 0)
		return errno == EACCES ? Found::not_executable : Found::missing;
	if (!S_ISREG(st.st_mode) || access(file.c_str(), X_OK) != 0)
		return Found::not_executable;
	return Found::runnable;
}

/* The kernel's bprm_fill_uid() and cap_bprm_creds_from_file(): what turns secure-exec on. */
const char *gained_privilege(const std::string &file)
{
	struct stat st;
	if (stat(file.c_str(), &st) != 0)
		return nullptr;
	if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
		return "is setuid";
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid())
		return "is setgid";
	if (getuid() != 0 && getxattr(file.c_str(), "security.capability", nullptr, 0) > 0)
		return "has file capabilities";
	return nullptr;
}

/* The path in "#! interpreter argument", or "". */
std::string interpreter(const std::string &head)
{
	if (!head.starts_with("#!"))
		return "";
	auto begin = head.find_first_not_of(" \t", 2);
	if (begin == head.npos)
		return "";
	return head.substr(begin, head.find_first_of(std::string(" \t\n\0", 4), begin) - begin);
}

/* What lqrun cannot do for it, another can. */
Refusal unreachable(const std::string &what)
{
	return {1,
		what + ": start it without lqrun, then \"lqctl adopt :PORT\" takes its listener, "
		       "see lqrun(1)"};
}

Refusal check(const std::string &file, const std::string &script, int depth)
{
	std::string named = script.empty() ? file : file + " (of " + script + ")";
	if (const char *what = gained_privilege(file))
		return unreachable(named + " " + what +
				   ", and the system drops LD_PRELOAD for it unless it is run as "
				   "the user it becomes");

	std::ifstream in(file, std::ios::binary);
	std::string head(256, '\0'); /* BINPRM_BUF_SIZE */
	in.read(head.data(), static_cast<std::streamsize>(head.size()));
	head.resize(static_cast<std::size_t>(in.gcount()));

	/* The kernel follows 5 interpreters (exec_binprm()). */
	std::string next = interpreter(head);
	if (!next.empty() && depth < 5)
		return check(next, script.empty() ? file : script, depth + 1);

	switch (elf_of(file)) {
	case Elf::other_architecture:
		return {1, named + " is built for another architecture than liblqrun.so: "
				   "use an lqrun built for it"};
	case Elf::go:
		return unreachable(named +
				   " is written in Go, which calls the kernel without libc, "
				   "and LD_PRELOAD does not reach it");
	case Elf::linked_statically:
		return unreachable(named +
				   " is linked statically, and LD_PRELOAD does not reach it");
	case Elf::none:
	case Elf::linked_dynamically:
		break;
	}
	return {};
}

} // namespace

Refusal find_program(const std::string &name, const std::string &path, std::string &found)
{
	std::vector<std::string> candidates;
	if (name.find('/') != name.npos) {
		candidates.push_back(name);
	} else if (!name.empty()) {
		for (std::size_t begin = 0; begin <= path.size();) {
			std::size_t end = std::min(path.find(':', begin), path.size());
			std::string directory = path.substr(begin, end - begin);
			candidates.push_back(directory.empty() ? name : directory + '/' + name);
			begin = end + 1;
		}
	}

	bool not_executable = false;
	for (const std::string &candidate : candidates) {
		switch (look_at(candidate)) {
		case Found::runnable:
			found = candidate;
			return {};
		case Found::not_executable:
			not_executable = true;
			break;
		case Found::missing:
			break;
		}
	}
	if (not_executable)
		return {126,
			name + ": cannot be executed: see its type and permissions with ls -l"};
	return {127, "\"" + name + "\" was not found: give its path, or see $PATH"};
}

Refusal check_preloadable(const std::string &file)
{
	return check(file, "", 0);
}

std::string risky_again(const std::string &file)
{
	struct stat st;
	if (stat(file.c_str(), &st) != 0)
		return "";
	const char *what = nullptr;
	if (st.st_mode & S_ISUID)
		what = " is setuid";
	else if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP))
		what = " is setgid";
	else if (getxattr(file.c_str(), "security.capability", nullptr, 0) > 0)
		what = " has file capabilities";
	if (!what)
		return "";
	return file + what +
	       ": where it executes itself again as another user (exim does on SIGHUP), the system "
	       "drops LD_PRELOAD, and it is on plain TCP until \"lqctl adopt :PORT\"";
}

} // namespace lqrun
