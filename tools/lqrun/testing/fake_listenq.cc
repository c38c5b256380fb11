// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded behind liblqrun.so in its tests: a libc whose kernel has AF_LISTENQ. Prints what
 * arrives at socket() and listen().
 */
#include <linux/listenq.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

namespace {
bool on_listenq[1024];
}

extern "C" int socket(int domain, int type, int protocol) noexcept
{
	bool listenq = domain == AF_LISTENQ;

	std::printf("socket(%d, %d, %d)\n", domain, type, protocol);
	if (listenq) {
		domain = protocol == LISTENQ_PROTO_IPV6 ? AF_INET6 : AF_INET;
		protocol = 0;
	}
	auto fd = static_cast<int>(syscall(SYS_socket, domain, type, protocol));
	if (fd >= 0 && fd < 1024)
		on_listenq[fd] = listenq;
	return fd;
}

extern "C" int listen(int fd, int backlog) noexcept
{
	std::printf("listen(%d)\n", backlog);
	return static_cast<int>(syscall(SYS_listen, fd, backlog));
}

extern "C" int getsockopt(int fd, int level, int name, void *value, socklen_t *size) noexcept
{
	if (level == SOL_LISTENQ && fd >= 0 && fd < 1024 && on_listenq[fd])
		return 0;
	return static_cast<int>(syscall(SYS_getsockopt, fd, level, name, value, size));
}
