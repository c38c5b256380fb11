// SPDX-License-Identifier: GPL-2.0
/*
 * server MODE [PORT]: an HTTP server that knows nothing of us: it answers each connection with the
 * same words, and closes. It says "ready PORT" on standard output, and goes on until it is killed.
 *
 *	threads	three threads that block in accept()
 *	epoll	one thread, edge-triggered, accept4() until EAGAIN
 *	uring	one multishot accept
 *	worker	accept() on io_uring's own workers
 *	inherit	as epoll, with the socket that was inherited as descriptor 3
 *
 * A call that fails ends it, with words on standard error and status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";

static void die(const char *what, int error)
{
	fprintf(stderr, "server: %s: %s\n", what, strerror(error));
	exit(1);
}

/* A request fits into one segment. */
static void serve(int fd)
{
	char request[1024];

	/* A client that has gone is none of our faults. */
	if (read(fd, request, sizeof(request)) > 0)
		(void)!write(fd, answer, sizeof(answer) - 1);
	close(fd);
}

static void *threads(void *argument)
{
	const int listener = *(int *)argument;

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			die("accept", errno);
		serve(fd);
	}
	return NULL;
}

static void epolls(int listener)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(0), fd;

	if (fcntl(listener, F_SETFL, O_NONBLOCK) || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &event))
		die("epoll_ctl", errno);
	for (;;) {
		if (epoll_wait(ep, &event, 1, -1) != 1)
			die("epoll_wait", errno);
		while ((fd = accept4(listener, NULL, NULL, 0)) >= 0)
			serve(fd);
		if (errno != EAGAIN)
			die("accept4", errno);
	}
}

static void ask(struct io_uring *ring, int listener, bool worker)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (worker)
		io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
	else
		io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, 0);
	if (worker)
		sqe->flags |= IOSQE_ASYNC;
	if (io_uring_submit(ring) < 1)
		die("io_uring_submit", errno);
}

static void urings(int listener, bool worker)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int i, fd;

	if (io_uring_queue_init(64, &ring, 0))
		die("io_uring", errno);
	for (i = 0; i < (worker ? 3 : 1); i++)
		ask(&ring, listener, worker);
	for (;;) {
		if (io_uring_wait_cqe(&ring, &cqe))
			die("io_uring_wait_cqe", errno);
		fd = cqe->res;
		if (fd < 0)
			die("accept", -fd);
		if (!(cqe->flags & IORING_CQE_F_MORE))
			ask(&ring, listener, worker);
		io_uring_cqe_seen(&ring, cqe);
		serve(fd);
	}
}

static int listening(const char *mode, int port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	socklen_t length = sizeof(address);
	int fd = 3;

	if (strcmp(mode, "inherit")) {
		fd = socket(AF_INET6, SOCK_STREAM, 0);
		if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) || listen(fd, 128))
			die("listen", errno);
	}
	if (getsockname(fd, (struct sockaddr *)&address, &length))
		die("getsockname", errno);
	printf("ready %d\n", ntohs(address.sin6_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	pthread_t thread;
	int listener, i;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: server threads|epoll|uring|worker|inherit [PORT]\n");
		return 2;
	}
	listener = listening(mode, argc > 2 ? atoi(argv[2]) : 0);
	if (!strcmp(mode, "epoll") || !strcmp(mode, "inherit"))
		epolls(listener);
	if (!strcmp(mode, "uring") || !strcmp(mode, "worker"))
		urings(listener, !strcmp(mode, "worker"));
	for (i = 0; i < 2; i++) {
		if (pthread_create(&thread, NULL, threads, &listener))
			die("pthread_create", errno);
	}
	threads(&listener);
}
