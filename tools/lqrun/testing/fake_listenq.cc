// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded behind liblqrun.so in its tests: a libc whose kernel has AF_LISTENQ. Prints what
 * arrives at socket() and listen(), and which accept filter is set. $FAKE_SOCKET is the errno of
 * socket(AF_LISTENQ), $FAKE_ULP that of TCP_ULP, 0 for none.
 */
#include <linux/listenq.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {
bool on_listenq[1024];
bool has_filter[1024];

int number_of(const char *variable, int otherwise)
{
	const char *text = std::getenv(variable);
	return text ? std::atoi(text) : otherwise;
}

int answer(int error)
{
	errno = error ? error : errno;
	return error ? -1 : 0;
}
} // namespace

extern "C" int socket(int domain, int type, int protocol) noexcept
{
	bool listenq = domain == AF_LISTENQ;

	std::printf("socket(%d, %d, %d)\n", domain, type, protocol);
	if (listenq && number_of("FAKE_SOCKET", 0))
		return answer(number_of("FAKE_SOCKET", 0));
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
	if (level == SOL_LISTENQ && fd >= 0 && fd < 1024 && on_listenq[fd]) {
		if (name != LQ_ACCEPT_FILTER || has_filter[fd])
			return 0;
		errno = EINVAL;
		return -1;
	}
	return static_cast<int>(syscall(SYS_getsockopt, fd, level, name, value, size));
}

extern "C" int setsockopt(int fd, int level, int name, const void *value, socklen_t size) noexcept
{
	if (level == SOL_LISTENQ && name == LQ_ACCEPT_FILTER && fd >= 0 && fd < 1024 &&
	    on_listenq[fd]) {
		listenq_accept_filter_arg filter;
		std::memcpy(&filter, value, sizeof(filter));
		std::printf("filter(%s, %u)\n", filter.name, size);
		has_filter[fd] = true;
		return 0;
	}
	if (level == IPPROTO_TCP && name == TCP_ULP && size == 7 &&
	    std::memcmp(value, "listenq", size) == 0 && fd >= 0 && fd < 1024) {
		const int error = number_of("FAKE_ULP", ENOENT);
		on_listenq[fd] = error == 0;
		return answer(error);
	}
	return static_cast<int>(syscall(SYS_setsockopt, fd, level, name, value, size));
}
