// SPDX-License-Identifier: GPL-2.0
/* Descriptors of other processes: they may end, and close, at any time. */
#include "kernel/descriptor.hh"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <system_error>

#include "base/error.hh"

namespace lqctl {

namespace {

Taken refused(const char *code, std::string text)
{
	return {Fd(), {code, std::move(text)}};
}

/* pidfd_open() or pidfd_getfd() failed. */
Taken not_taken(int pid, int fd, int code)
{
	switch (code) {
	case ESRCH:
		return refused("process_ended", fmt::format("process {} has ended", pid));
	case EBADF:
		return refused("closed", fmt::format("process {} has no descriptor {}", pid, fd));
	case EPERM:
		return refused(
			"no_right",
			fmt::format("no right to take descriptors of process {}: run as root "
				    "(CAP_SYS_PTRACE)",
				    pid));
	case ENOSYS:
		return refused("no_right", "pidfd_getfd() is not there: run outside of the "
					   "container, or let its seccomp profile allow it");
	case EMFILE:
	case ENFILE:
		throw Error("too many open files: raise the limit (ulimit -n)");
	default:
		return refused("no_right",
			       fmt::format("descriptors of process {} cannot be taken: {}", pid,
					   std::generic_category().message(code)));
	}
}

/* MPTCP's listener has a TCP socket behind it, which bears its inode. */
bool is_mptcp(int fd)
{
	int protocol = 0;
	socklen_t length = sizeof(protocol);

	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
	       protocol == IPPROTO_MPTCP;
}

bool has_cookie(int fd, std::uint64_t wanted)
{
	std::uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 && cookie == wanted;
}

Taken nobody()
{
	if (geteuid() != 0)
		return refused("no_right", "none of the processes that may be looked into has it: "
					   "run as root");
	return refused("no_process", "no process here has it: a socket of the kernel's own, or of "
				     "a process in another pid namespace, such as a container's "
				     "that runs beside this one");
}

} // namespace

Taken take_descriptor(int pid, int fd)
{
	const Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));

	if (process.get() < 0)
		return not_taken(pid, fd, errno);
	Fd taken(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
	if (taken.get() < 0)
		return not_taken(pid, fd, errno);
	return {std::move(taken), {}};
}

Taken take_socket(const TcpListener &tcp)
{
	Taken last = nobody();

	for (const Process &p : tcp.listener.processes) {
		Taken taken = take_descriptor(p.pid, p.fd);
		if (taken.fd.get() < 0) {
			/* What a right would help is told before what is over. */
			if (last.reason.code != "no_right" || taken.reason.code == "no_right")
				last = std::move(taken);
		} else if (has_cookie(taken.fd.get(), tcp.cookie)) {
			return taken;
		} else if (is_mptcp(taken.fd.get())) {
			return refused("mptcp", "MPTCP's listeners cannot be taken");
		} else {
			last = refused("closed", "closed meanwhile");
		}
	}
	return last;
}

} // namespace lqctl
