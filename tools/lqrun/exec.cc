// SPDX-License-Identifier: GPL-2.0
/*
 * execve(2) and its kin: a process that becomes a program without the library is told of, once.
 * That is how launchers clear the environment, whoever executes them, and how exim goes on after
 * SIGHUP. Children are not looked at: what a server starts there, with an environment of its own,
 * is seldom one.
 */
#include "exec.hh"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "line.hh"

namespace {

using ExecCall = int (*)(const char *, char *const *);
using ExecEnvCall = int (*)(const char *, char *const *, char *const *);

constinit std::atomic<pid_t> watched{0};
constinit std::atomic<ExecCall> next_execv{nullptr}, next_execvp{nullptr};
constinit std::atomic<ExecEnvCall> next_execve{nullptr}, next_execvpe{nullptr};

const char *base_of(const char *path)
{
	const char *slash = std::strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool has_library(char *const *environment)
{
	for (; environment && *environment; environment++) {
		if (std::strncmp(*environment, "LD_PRELOAD=", 11) == 0)
			return std::strstr(*environment, "liblqrun.so") != nullptr;
	}
	return false;
}

/* As the kernel's bprm_fill_uid(). */
bool gains_privilege(const char *path)
{
	struct stat st;
	if (!std::strchr(path, '/') || stat(path, &st) != 0)
		return false;
	return ((st.st_mode & S_ISUID) && st.st_uid != getuid()) ||
	       ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid());
}

void look_at(const char *path, char *const *environment)
{
	lqrun::ErrnoKeeper keeper;

	if (!path || watched != getpid() || std::strcmp(base_of(path), "lqrun") == 0)
		return;
	const bool kept = has_library(environment);
	if (kept && !gains_privilege(path))
		return;
	watched = 0;
	lqrun::Line()
		.put(program_invocation_short_name)
		.put(" executes ")
		.put(path)
		.put(kept ? ", which is setuid or setgid, so that the system drops LD_PRELOAD"
			  : " without LD_PRELOAD in its environment")
		.put(": its sockets are plain TCP; if it listens, \"lqctl adopt :PORT\"")
		.write();
}

template <typename Call>
Call next_of(std::atomic<Call> &next, const char *name)
{
	if (!next)
		next = reinterpret_cast<Call>(dlsym(RTLD_NEXT, name));
	return next;
}

} // namespace

void lqrun::find_next_exec()
{
	next_of(next_execv, "execv");
	next_of(next_execvp, "execvp");
	next_of(next_execve, "execve");
	next_of(next_execvpe, "execvpe");
}

void lqrun::watch_this_process()
{
	watched = getpid();
}

extern "C" {

[[gnu::visibility("default")]] int execve(const char *path, char *const argv[],
					  char *const envp[]) noexcept
{
	look_at(path, envp);
	return next_of(next_execve, "execve")(path, argv, envp);
}

[[gnu::visibility("default")]] int execvpe(const char *file, char *const argv[],
					   char *const envp[]) noexcept
{
	look_at(file, envp);
	return next_of(next_execvpe, "execvpe")(file, argv, envp);
}

[[gnu::visibility("default")]] int execv(const char *path, char *const argv[]) noexcept
{
	look_at(path, environ);
	return next_of(next_execv, "execv")(path, argv);
}

[[gnu::visibility("default")]] int execvp(const char *file, char *const argv[]) noexcept
{
	look_at(file, environ);
	return next_of(next_execvp, "execvp")(file, argv);
}

} // extern "C"
