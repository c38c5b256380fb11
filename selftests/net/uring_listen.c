// SPDX-License-Identifier: GPL-2.0
/*
 * uring_listen PORT: a server whose socket IORING_OP_SOCKET made. Says "listening", or the errno of
 * listen(), and serves one client by IORING_OP_ACCEPT.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the one request gives. */
static int result_of(struct io_uring *ring)
{
	struct io_uring_cqe *done;
	int result;

	if (io_uring_submit_and_wait(ring, 1) < 0 || io_uring_wait_cqe(ring, &done) < 0)
		return -EIO;
	result = done->res;
	io_uring_cqe_seen(ring, done);
	return result;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct io_uring ring;
	int fd, client;

	if (argc != 2 || io_uring_queue_init(8, &ring, 0) < 0)
		return 4;
	address.sin_port = htons(atoi(argv[1]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	io_uring_prep_socket(io_uring_get_sqe(&ring), AF_INET, SOCK_STREAM, 0, 0);
	fd = result_of(&ring);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return 1;
	if (listen(fd, 50) != 0) {
		printf("failed %d\n", errno);
		return 0;
	}
	printf("listening\n");
	fflush(stdout);
	io_uring_prep_accept(io_uring_get_sqe(&ring), fd, NULL, NULL, 0);
	client = result_of(&ring);
	if (client < 0 || write(client, "served", 6) != 6)
		return 1;
	while (getchar() != EOF)
		;
	return 0;
}
