/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the system tests in C share: the versions of IP, a network namespace for
 * each test, sockets of ours and of TCP.
 *
 * TCP itself is the yardstick: a test that holds for both kinds runs for both,
 * with for_each_kind(), and with the same words of what is expected.
 */
#ifndef LQ_SELFTEST_H
#define LQ_SELFTEST_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include <linux/listenq.h>

/* A VM without KVM is slow, and one with a debug kernel slower. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 60
#define WAIT_MS 20000 /* until something that must happen counts as missing */

/* The helpers fail the test that calls them. */
#define META struct __test_metadata *const _metadata

enum socket_kind { LQ, TCP };
#define for_each_kind(kind) for (enum socket_kind kind = LQ; kind <= TCP; kind++)

/* What a system call returned, as 0 or the number of its error. */
static inline int error_of(long result)
{
	return result < 0 ? errno : 0;
}

/* --- each test is alone in a network namespace --- */

static inline void write_file(META, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	ASSERT_LE(0, fd) TH_LOG("%s: %s", path, strerror(errno));
	ASSERT_EQ((ssize_t)strlen(text), write(fd, text, strlen(text)))
		TH_LOG("%s: %s", path, strerror(errno));
	close(fd);
}

static inline void link_up(META, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strcpy(ifr.ifr_name, name);
	ASSERT_EQ(0, ioctl(fd, SIOCSIFFLAGS, &ifr)) TH_LOG("%s: %s", name, strerror(errno));
	close(fd);
}

static inline void enter_netns(META)
{
	ASSERT_EQ(0, unshare(CLONE_NEWNET)) TH_LOG("%s: run it as root", strerror(errno));
	link_up(_metadata, "lo");
}

/* The versions: dual is an IPv6 socket and an IPv4 client. */
FIXTURE(net) {
};

FIXTURE_VARIANT(net) {
	int family; /* of the server's addresses */
	int client; /* of the client's */
};

FIXTURE_VARIANT_ADD(net, v4) { .family = AF_INET, .client = AF_INET };
FIXTURE_VARIANT_ADD(net, v6) { .family = AF_INET6, .client = AF_INET6 };
FIXTURE_VARIANT_ADD(net, dual) { .family = AF_INET6, .client = AF_INET };

FIXTURE_SETUP(net)
{
	enter_netns(_metadata);
}

FIXTURE_TEARDOWN(net)
{
}

/* --- addresses --- */

struct address {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage storage;
	};
	socklen_t len;
};

/* The wildcard address, or the loopback one; @port in host byte order. */
static inline struct address address_of(int family, bool loopback, int port)
{
	struct address a = {};

	a.sa.sa_family = family;
	if (family == AF_INET) {
		a.len = sizeof(a.in);
		a.in.sin_addr.s_addr = htonl(loopback ? INADDR_LOOPBACK : INADDR_ANY);
		a.in.sin_port = htons(port);
	} else {
		a.len = sizeof(a.in6);
		a.in6.sin6_addr = loopback ? in6addr_loopback : in6addr_any;
		a.in6.sin6_port = htons(port);
	}
	return a;
}

static inline int port_in(const struct address *a)
{
	return ntohs(a->sa.sa_family == AF_INET ? a->in.sin_port : a->in6.sin6_port);
}

static inline struct address name_of(META, int fd)
{
	struct address a = { .len = sizeof(a.storage) };

	ASSERT_EQ(0, getsockname(fd, &a.sa, &a.len));
	return a;
}

static inline struct address peer_of(META, int fd)
{
	struct address a = { .len = sizeof(a.storage) };

	ASSERT_EQ(0, getpeername(fd, &a.sa, &a.len));
	return a;
}

static inline bool same_address(const struct address *a, const struct address *b)
{
	return a->len == b->len && !memcmp(&a->storage, &b->storage, a->len);
}

static inline int port_of(META, int fd)
{
	const struct address a = name_of(_metadata, fd);

	return port_in(&a);
}

/* --- sockets --- */

static inline int stream(enum socket_kind kind, int family, int flags)
{
	if (kind == TCP)
		return socket(family, SOCK_STREAM | flags, 0);
	return socket(AF_LISTENQ, SOCK_STREAM | flags,
		      family == AF_INET6 ? LISTENQ_PROTO_IPV6 : LISTENQ_PROTO_IPV4);
}

static inline int int_option(META, int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	ASSERT_EQ(0, getsockopt(fd, level, name, &value, &len))
		TH_LOG("option %d of level %d: %s", name, level, strerror(errno));
	ASSERT_EQ(sizeof(int), len);
	return value;
}

static inline int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static inline int bind_to(int fd, int family, int port)
{
	const struct address a = address_of(family, false, port);

	return bind(fd, &a.sa, a.len);
}

static inline int connect_to(int fd, int family, int port)
{
	const struct address a = address_of(family, true, port);

	return connect(fd, &a.sa, a.len);
}

/* A socket bound to a port that nothing else has. */
static inline int bound(META, enum socket_kind kind, int family, int flags)
{
	int fd = stream(kind, family, flags);

	ASSERT_LE(0, fd) TH_LOG("%s", strerror(errno));
	ASSERT_EQ(0, bind_to(fd, family, 0));
	return fd;
}

/* @flags: 0 or SOCK_NONBLOCK */
static inline int listener(META, enum socket_kind kind, int family, int flags)
{
	int fd = bound(_metadata, kind, family, flags);

	ASSERT_EQ(0, listen(fd, 64));
	return fd;
}

/* Once this returns, the connection is on its way to @listener's queue, or there. */
static inline int client_of(META, int family, int listener)
{
	int fd = socket(family, SOCK_STREAM, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, connect_to(fd, family, port_of(_metadata, listener)))
		TH_LOG("connect: %s", strerror(errno));
	return fd;
}

static inline bool ready_within(int fd, short events, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, ms) == 1;
}

/* accept() of a connection that must come. */
static inline int accepted_of(META, int listener)
{
	int fd;

	ASSERT_TRUE(ready_within(listener, POLLIN, WAIT_MS)) TH_LOG("nothing to accept");
	fd = accept(listener, NULL, NULL);
	ASSERT_LE(0, fd) TH_LOG("accept: %s", strerror(errno));
	return fd;
}

/* @a and @b are the two ends of a connection. */
static inline void expect_connected(META, int a, int b)
{
	char byte = 0;

	ASSERT_EQ(1, send(a, "?", 1, MSG_NOSIGNAL)) TH_LOG("send: %s", strerror(errno));
	ASSERT_TRUE(ready_within(b, POLLIN, WAIT_MS));
	ASSERT_EQ(1, recv(b, &byte, 1, 0));
	ASSERT_EQ('?', byte);
	ASSERT_EQ(1, send(b, "!", 1, MSG_NOSIGNAL)) TH_LOG("send: %s", strerror(errno));
	ASSERT_TRUE(ready_within(a, POLLIN, WAIT_MS));
	ASSERT_EQ(1, recv(a, &byte, 1, 0));
	ASSERT_EQ('!', byte);
}

/* A client connects, its connection is accepted and works. */
static inline void expect_serves(META, int family, int listener)
{
	int client = client_of(_metadata, family, listener);
	int child = accepted_of(_metadata, listener);

	expect_connected(_metadata, client, child);
	close(client);
	close(child);
}

static inline struct listenq_info info_of(META, int listener)
{
	struct listenq_info info = {};
	socklen_t len = sizeof(info);

	ASSERT_EQ(0, getsockopt(listener, SOL_LISTENQ, LQ_INFO, &info, &len));
	ASSERT_EQ(sizeof(info), len);
	return info;
}

/* --- processes --- */

/* Returns once @pid sleeps, in the hope that it is in the call that it is to be found in. */
static inline void wait_asleep(pid_t pid)
{
	char path[64], line[512], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < WAIT_MS / 10 && state != 'S'; i++) {
		FILE *file = fopen(path, "r");

		usleep(10000);
		if (!file)
			return;
		/* The name may hold anything but ends in the last bracket. */
		if (fgets(line, sizeof(line), file) && strrchr(line, ')'))
			state = strrchr(line, ')')[2];
		fclose(file);
	}
}

/* The exit status of a child, which must end by itself. */
static inline int status_of(META, pid_t pid)
{
	int status = 0;

	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status)) TH_LOG("died of signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* A process that connects to @listener once the caller sleeps; its status is 0 if it could. */
static inline pid_t connect_when_asleep(META, int family, int listener)
{
	const int port = port_of(_metadata, listener);
	const pid_t waiting = getpid();
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (pid == 0) {
		int fd = socket(family, SOCK_STREAM, 0);

		wait_asleep(waiting);
		_exit(connect_to(fd, family, port) ? 1 : 0);
	}
	return pid;
}

#endif
