// SPDX-License-Identifier: GPL-2.0
/*
 * Random system calls on AF_LISTENQ sockets, in the caller's network namespace:
 *
 *	random_calls COUNT SEED
 *
 * One thread, so the same SEED makes the same calls. Nothing is expected of their results but that
 * they come: each call that could wait is told not to, and LQ_TIME_SCALE minutes is too long for
 * any. Prints how many calls succeeded, and which took longest.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/listenq.h>

#define FDS 24

static uint64_t state;
static int fds[FDS];
static uint8_t *edge; /* a page, and none behind it */
static unsigned long good, done;
static int last; /* which call */

static uint32_t roll(uint32_t sides)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 32) % sides;
}

/* Memory of random content that ends with its page, or none. */
static void *memory(size_t length)
{
	uint8_t *at = edge + 4096 - length;
	size_t i;

	switch (roll(24)) {
	case 0:
		return NULL;
	case 1:
		return (void *)~0ul;
	case 2:
		return edge + 4096 - length / 2; /* half of it is there */
	}
	for (i = 0; i < length; i++)
		at[i] = roll(4) ? roll(256) : 0;
	return at;
}

static socklen_t address(struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
	struct sockaddr_in *in = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	in->sin_family = roll(10) ? (roll(2) ? AF_INET : AF_INET6) : roll(50);
	in->sin_port = htons(7200 + roll(4));
	if (in->sin_family == AF_INET6)
		in6->sin6_addr = roll(2) ? in6addr_any : in6addr_loopback;
	else
		in->sin_addr.s_addr = htonl(roll(2) ? INADDR_ANY : INADDR_LOOPBACK);
	return roll(8) ? (in->sin_family == AF_INET6 ? sizeof(*in6) : sizeof(*in)) : roll(130);
}

static int option(int fd)
{
	static const int levels[] = { SOL_LISTENQ, SOL_LISTENQ, SOL_LISTENQ, SOL_SOCKET, IPPROTO_TCP,
				      IPPROTO_IP,  IPPROTO_IPV6 };
	static const char *const names[] = { "linux", "freebsd",  "solaris",   "dataready",
					     "bsd",   "httpready", "windows-x", "" };
	const int level = roll(12) ? levels[roll(7)] : (int)roll(0x10000);
	const int name = level == SOL_LISTENQ ? roll(11) : roll(80);
	socklen_t length = roll(4) ? (roll(2) ? 4 : 16) : roll(600);
	char word[256] = {};
	int value;

	if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_LINGER))
		return 0; /* close() would wait for as long as it says */
	switch (roll(4)) {
	case 0:
		return getsockopt(fd, level, name, memory(length), roll(8) ? &length : memory(4));
	case 1:
		value = (int)roll(12) - 2;
		return setsockopt(fd, level, name, &value, sizeof(value));
	case 2:
		strcpy(word, names[roll(8)]);
		return setsockopt(fd, level, name, word, roll(2) ? 256 : 16);
	default:
		return setsockopt(fd, level, name, memory(length), length);
	}
}

static int message(int fd)
{
	struct iovec iov = { .iov_base = memory(100), .iov_len = roll(101) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = roll(4) ? NULL : memory(64),
			      .msg_controllen = roll(4) ? 0 : roll(65) };
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (roll(3) ? 0 : (int)roll(0x10000));

	return roll(2) ? sendmsg(fd, &msg, flags | MSG_DONTWAIT) :
			 recvmsg(fd, &msg, (flags | MSG_DONTWAIT) & ~MSG_WAITALL);
}

/* Of sockets, not of devices. */
static const unsigned int ioctls[] = { FIONREAD,   TIOCOUTQ,	 FIOASYNC,    SIOCATMARK,
				       SIOCGPGRP,  SIOCSPGRP,	 FIOGETOWN,   SIOCGSTAMP,
				       SIOCGIFCONF, 0x894b /* SIOCOUTQNSD */, 0xdead };

static int one(int *slot)
{
	struct sockaddr_storage to;
	socklen_t length = address(&to);
	struct pollfd poller = { .fd = *slot, .events = roll(0x10000) };
	int fd = *slot, value;

	if (fd <= 0 || !roll(12)) {
		if (fd > 0)
			close(fd);
		*slot = socket(roll(5) ? AF_LISTENQ : roll(2) ? AF_INET : AF_INET6,
			       (roll(20) ? SOCK_STREAM : roll(8)) | SOCK_NONBLOCK | SOCK_CLOEXEC,
			       roll(20) ? roll(2) : roll(300));
		return *slot;
	}
	last = roll(20);
	switch (last) {
	case 0:
	case 1:
		return bind(fd, (struct sockaddr *)&to, length);
	case 2:
	case 3:
	case 4:
		return listen(fd, roll(4) ? (int)roll(20) : (int)roll(0xffffffff));
	case 5:
	case 6:
	case 7:
		return connect(fd, (struct sockaddr *)&to, length);
	case 8:
	case 9:
		value = accept4(fd, roll(2) ? (void *)&to : memory(64), roll(2) ? &length : NULL,
				roll(16) ? SOCK_NONBLOCK : (int)roll(0xffffffff) | SOCK_NONBLOCK);
		if (value >= 0) {
			slot = &fds[roll(FDS)];
			if (*slot > 0)
				close(*slot);
			*slot = value;
		}
		return value;
	case 10:
		return shutdown(fd, roll(4));
	case 11:
		return roll(2) ? getsockname(fd, memory(64), &length) :
				 getpeername(fd, (struct sockaddr *)&to, memory(4));
	case 12:
		return ioctl(fd, ioctls[roll(sizeof(ioctls) / sizeof(*ioctls))], memory(40));
	case 13:
		return poll(&poller, 1, 0);
	case 14:
		value = dup(fd);
		if (value >= 0) {
			close(fd);
			*slot = value;
		}
		return value;
	case 15:
		return mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0;
	case 16:
		return message(fd);
	case 17:
		return socketpair(AF_LISTENQ, SOCK_STREAM, roll(3), (int *)memory(8));
	default:
		return option(fd);
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void stuck(int number)
{
	(void)number;
	fprintf(stderr, "random_calls: stuck in call %lu, of kind %d\n", done, last);
	_exit(1);
}

int main(int argc, char **argv)
{
	const char *scale = getenv("LQ_TIME_SCALE");
	const unsigned int minutes = scale && atoi(scale) > 0 ? atoi(scale) : 1;
	unsigned long count, i, slow = 0;
	double longest = 0, start;
	int kind = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: random_calls COUNT SEED\n");
		return 2;
	}
	count = strtoul(argv[1], NULL, 10);
	state = 88172645463325252ull + strtoul(argv[2], NULL, 10) * 2654435761ull;
	edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (edge == MAP_FAILED || munmap(edge + 4096, 4096)) {
		perror("random_calls: mmap");
		return 1;
	}
	signal(SIGALRM, stuck);
	start = seconds();
	for (done = 0; done < count; done++) {
		const double begin = seconds();

		alarm(60 * minutes);
		good += one(&fds[roll(FDS)]) >= 0;
		if (seconds() - begin > longest) {
			longest = seconds() - begin;
			kind = last;
			slow = done;
		}
	}
	for (i = 0; i < FDS; i++) {
		if (fds[i] > 0)
			close(fds[i]);
	}
	printf("%lu of %lu calls succeeded in %.1f s; the longest, %lu, of kind %d, took %.3f s\n",
	       good, count, seconds() - start, slow, kind, longest);
	return 0;
}
