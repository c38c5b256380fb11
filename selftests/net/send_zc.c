// SPDX-License-Identifier: GPL-2.0
/*
 * A program that knows nothing of AF_LISTENQ, and sends without copying by io_uring:
 *
 *	send_zc serve|connect ADDRESS PORT
 *
 * serve: accepts one connection, sends BYTES, and reads to its end. connect: the same as a client.
 * "ready" when it listens; then what IORING_OP_SEND_ZC returned: EOPNOTSUPP where the socket is not one for it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES 20000

static void need(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "send_zc: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* What it returned. The notification that the memory is free comes last. */
static int send_zc(int fd, const char *data, size_t length)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int result = -1, more;

	need(io_uring_queue_init(4, &ring, 0) == 0, "io_uring");
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_send_zc(sqe, fd, data, length, MSG_WAITALL, 0);
	io_uring_submit(&ring);
	do {
		need(io_uring_wait_cqe(&ring, &cqe) == 0, "completion");
		if (!(cqe->flags & IORING_CQE_F_NOTIF))
			result = cqe->res;
		more = cqe->flags & IORING_CQE_F_MORE;
		io_uring_cqe_seen(&ring, cqe);
	} while (more);
	io_uring_queue_exit(&ring);
	return result;
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	const int one = 1;
	static char data[BYTES];
	struct sockaddr *at = (struct sockaddr *)&in;
	socklen_t length = sizeof(in);
	int fd, listener, result;

	if (argc != 4) {
		fprintf(stderr, "usage: send_zc serve|connect ADDRESS PORT\n");
		return 2;
	}
	in.sin_port = in6.sin6_port = htons(atoi(argv[3]));
	if (inet_pton(AF_INET6, argv[2], &in6.sin6_addr) == 1) {
		at = (struct sockaddr *)&in6;
		length = sizeof(in6);
	} else {
		need(inet_pton(AF_INET, argv[2], &in.sin_addr) == 1, "address");
	}
	fd = socket(at->sa_family, SOCK_STREAM, 0);
	need(fd >= 0, "socket");
	if (strcmp(argv[1], "serve") == 0) {
		listener = fd;
		setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		need(bind(listener, at, length) == 0, "bind");
		need(listen(listener, 5) == 0, "listen");
		printf("ready\n");
		fflush(stdout);
		fd = accept(listener, NULL, NULL);
		need(fd >= 0, "accept");
	} else {
		need(connect(fd, at, length) == 0, "connect");
	}
	memset(data, 'z', sizeof(data));
	result = send_zc(fd, data, sizeof(data));
	printf("sent %d\n", result);
	fflush(stdout);
	shutdown(fd, SHUT_WR);
	while (read(fd, data, sizeof(data)) > 0)
		;
	return result == BYTES ? 0 : 1;
}
