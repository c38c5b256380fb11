// SPDX-License-Identifier: GPL-2.0
/*
 * A program for lqrun's tests: carries out the calls of its arguments and prints, for each, the
 * family, type, protocol or backlog that the kernel got, or the errno.
 *
 *   socket:DOMAIN:TYPE:PROTOCOL   listen:BACKLOG (on the last socket)   errno   env:NAME
 *   raw (a TCP socket without libc's socket())   fd:NUMBER (an inherited one)   close
 */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int, char **argv)
{
	int fd = -1;

	errno = 0;
	for (char **call = argv + 1; *call; call++) {
		int domain, type, protocol, backlog;
		if (std::sscanf(*call, "socket:%d:%d:%d", &domain, &type, &protocol) == 3) {
			fd = socket(domain, type, protocol);
			int saved = errno;
			if (fd < 0) {
				std::printf("errno %d\n", saved);
			} else {
				int got = 0;
				socklen_t size = sizeof(got);
				getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &got, &size);
				std::printf("domain %d\n", got);
			}
			errno = saved;
		} else if (std::sscanf(*call, "listen:%d", &backlog) == 1) {
			std::printf("listen %d\n", listen(fd, backlog));
		} else if (std::sscanf(*call, "fd:%d", &fd) == 1) {
			std::printf("fd %d\n", fd);
		} else if (std::strcmp(*call, "raw") == 0) {
			fd = static_cast<int>(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
			std::printf("raw %d\n", fd);
		} else if (std::strcmp(*call, "close") == 0) {
			close(fd);
		} else if (std::strcmp(*call, "errno") == 0) {
			std::printf("errno %d\n", errno);
		} else if (std::strncmp(*call, "env:", 4) == 0) {
			const char *value = std::getenv(*call + 4);
			std::printf("%s\n", value ? value : "unset");
		} else {
			std::printf("argument %s\n", *call);
		}
	}
	return 0;
}
