// SPDX-License-Identifier: GPL-2.0
/*
 * load PORT [CLIENTS]: HTTP clients of ::1 and 127.0.0.1 in turn, each one connection after the other,
 * until SIGTERM: then "N done, N failed, N late" goes to standard output. A connection fails by an
 * error or another answer than a whole "200 OK"; it is late if its SYN was sent again (TCP_INFO). The
 * first failures are described on standard error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char request[] = "GET / HTTP/1.0\r\nHost: test\r\nConnection: close\r\n\r\n";
static volatile sig_atomic_t stop;
static unsigned long done, failed, late;
static int port;

static void fail(const char *what, int error)
{
	if (__atomic_add_fetch(&failed, 1, __ATOMIC_RELAXED) <= 10)
		fprintf(stderr, "load: %s: %s\n", what, strerror(error));
}

static int connect_to(int v6)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	if (connect(fd, v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in,
		    v6 ? sizeof(in6) : sizeof(in))) {
		fail("connect", errno);
		close(fd);
		return -1;
	}
	return fd;
}

static void one(int v6)
{
	struct linger reset = { .l_onoff = 1 };
	socklen_t length;
	struct tcp_info info;
	char answer[512];
	size_t got = 0;
	ssize_t more;
	int fd = connect_to(v6);

	if (fd < 0)
		return;
	length = sizeof(info);
	if (!getsockopt(fd, SOL_TCP, TCP_INFO, &info, &length) && info.tcpi_total_retrans)
		__atomic_add_fetch(&late, 1, __ATOMIC_RELAXED);
	if (write(fd, request, sizeof(request) - 1) < 0) {
		fail("write", errno);
		close(fd);
		return;
	}
	while ((more = read(fd, answer + got, sizeof(answer) - 1 - got)) > 0)
		got += more;
	answer[got] = '\0';
	if (more < 0)
		fail("read", errno);
	else if (!strstr(answer, " 200 OK") || !strstr(answer, "hello"))
		fail("another answer", 0);
	else
		__atomic_add_fetch(&done, 1, __ATOMIC_RELAXED);
	/* No TIME_WAIT: there are thousands. All was read. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

static void *client(void *argument)
{
	int v6 = *(int *)argument;

	while (!stop) {
		one(v6);
		v6 = !v6;
	}
	return NULL;
}

static void end(int number)
{
	(void)number;
	stop = 1;
}

int main(int argc, char **argv)
{
	int clients = argc > 2 ? atoi(argv[2]) : 4, first[] = { 0, 1 }, i;
	pthread_t threads[64];

	if (argc < 2 || argc > 3 || clients < 1 || clients > 64) {
		fprintf(stderr, "usage: load PORT [CLIENTS]\n");
		return 2;
	}
	port = atoi(argv[1]);
	signal(SIGTERM, end);
	for (i = 0; i < clients; i++)
		pthread_create(&threads[i], NULL, client, &first[i % 2]);
	for (i = 0; i < clients; i++)
		pthread_join(threads[i], NULL);
	printf("%lu done, %lu failed, %lu late\n", done, failed, late);
	return 0;
}
