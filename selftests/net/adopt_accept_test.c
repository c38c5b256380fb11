// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever waits for a connection as its listener changes hands, from TCP to us and back, goes on
 * waiting, and gets one: no call fails, none is lost.
 */
#include <liburing.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "lq.h"

#define WAITERS 5
#define ROUNDS 6

static void adopt(META, int fd)
{
	ASSERT_EQ(0, setsockopt(fd, SOL_TCP, TCP_ULP, LISTENQ_ULP_NAME, strlen(LISTENQ_ULP_NAME)))
		TH_LOG("TCP_ULP: %s", strerror(errno));
}

/* LQ_RELEASE, and until the socket is TCP's. */
static void release(META, int fd)
{
	int on = 1, patience = WAIT_MS / 10;
	socklen_t length = sizeof(on);

	ASSERT_EQ(0, setsockopt(fd, SOL_LISTENQ, LQ_RELEASE, &on, sizeof(on)))
		TH_LOG("LQ_RELEASE: %s", strerror(errno));
	while (getsockopt(fd, SOL_LISTENQ, LQ_RELEASE, &on, &length) == 0 && patience-- > 0)
		usleep(10000); /* the module says when: there is nothing to wait on */
	ASSERT_LT(0, patience) TH_LOG("it is not TCP's");
}

/* Every other time. */
static void change_hands(META, int fd, int round)
{
	if (round % 2)
		release(_metadata, fd);
	else
		adopt(_metadata, fd);
}

/* --- threads in accept() --- */

struct waiter {
	pthread_t thread;
	int fd;
	int tid; /* once it runs */
	int child; /* or minus the error */
};

static void *wait_in_accept(void *argument)
{
	struct waiter *waiter = argument;

	__atomic_store_n(&waiter->tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
	waiter->child = accept(waiter->fd, NULL, NULL);
	if (waiter->child < 0)
		waiter->child = -errno;
	return NULL;
}

/* Whether a thread of ours sleeps in accept(). */
static bool sleeps_in_accept(int tid)
{
	char path[64], line[64] = "";
	long call = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fgets(line, sizeof(line), file))
		call = strtol(line, NULL, 10); /* "running" is none */
	fclose(file);
	return line[0] >= '0' && line[0] <= '9' && call == SYS_accept;
}

static void start_waiters(META, struct waiter *waiters, int fd)
{
	for (int i = 0; i < WAITERS; i++) {
		waiters[i] = (struct waiter){ .fd = fd };
		ASSERT_EQ(0, pthread_create(&waiters[i].thread, NULL, wait_in_accept, &waiters[i]));
	}
	for (int i = 0; i < WAITERS; i++) {
		int patience = WAIT_MS / 10;

		while (patience-- > 0) {
			int tid = __atomic_load_n(&waiters[i].tid, __ATOMIC_ACQUIRE);

			if (tid && sleeps_in_accept(tid))
				break;
			usleep(10000); /* another thread's sleep cannot be waited on */
		}
		ASSERT_LT(0, patience) TH_LOG("a thread does not come to wait");
	}
}

static void expect_each_served(META, struct waiter *waiters, const int *clients)
{
	for (int i = 0; i < WAITERS; i++) {
		ASSERT_EQ(0, pthread_join(waiters[i].thread, NULL));
		ASSERT_LE(0, waiters[i].child)
			TH_LOG("thread %d: accept: %s", i, strerror(-waiters[i].child));
		close(waiters[i].child);
	}
	for (int i = 0; i < WAITERS; i++)
		close(clients[i]);
}

TEST_F(net, threads_in_accept)
{
	int fd = listener(_metadata, TCP, variant->family, 0);
	struct waiter waiters[WAITERS];
	int clients[WAITERS];

	for (int round = 0; round < ROUNDS; round++) {
		start_waiters(_metadata, waiters, fd);
		change_hands(_metadata, fd, round);
		for (int i = 0; i < WAITERS; i++)
			clients[i] = client_of(_metadata, variant->client, fd);
		expect_each_served(_metadata, waiters, clients);
	}
	close(fd);
}

/* Some come before, and the others after: a connection for each all the same. */
TEST_F(net, connections_before_and_after)
{
	int fd = listener(_metadata, TCP, variant->family, 0);
	struct waiter waiters[WAITERS];
	int clients[WAITERS];

	for (int round = 0; round < ROUNDS; round++) {
		start_waiters(_metadata, waiters, fd);
		for (int i = 0; i < WAITERS; i++) {
			if (i == 2)
				change_hands(_metadata, fd, round);
			clients[i] = client_of(_metadata, variant->client, fd);
		}
		expect_each_served(_metadata, waiters, clients);
	}
	close(fd);
}

/* With a timeout it is over when it is over, by EAGAIN, and a connection before that is taken. */
TEST_F(net, accept_with_a_timeout)
{
	const struct timeval long_time = { .tv_sec = WAIT_MS / 1000 }, short_time = { .tv_usec = 200000 };
	int fd = listener(_metadata, TCP, variant->family, 0);
	struct waiter waiters[WAITERS];
	int clients[WAITERS];

	for (int round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof(long_time)));
		start_waiters(_metadata, waiters, fd);
		change_hands(_metadata, fd, round);
		for (int i = 0; i < WAITERS; i++)
			clients[i] = client_of(_metadata, variant->client, fd);
		expect_each_served(_metadata, waiters, clients);
		ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &short_time, sizeof(short_time)));
		EXPECT_EQ(EAGAIN, error_of(accept(fd, NULL, NULL)));
	}
	close(fd);
}

/* --- poll and epoll --- */

TEST_F(net, epoll)
{
	for (int edge = 0; edge <= 1; edge++) {
		int fd = listener(_metadata, TCP, variant->family, SOCK_NONBLOCK);
		struct epoll_event event = { .events = EPOLLIN | (edge ? EPOLLET : 0) };
		int ep = epoll_create1(0);

		ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
		for (int round = 0; round < ROUNDS; round++) {
			int client, child;

			EXPECT_EQ(0, epoll_wait(ep, &event, 1, 0));
			change_hands(_metadata, fd, round);
			client = client_of(_metadata, variant->client, fd);
			ASSERT_EQ(1, epoll_wait(ep, &event, 1, WAIT_MS)) TH_LOG("round %d", round);
			EXPECT_EQ((unsigned int)EPOLLIN, event.events);
			child = accept(fd, NULL, NULL);
			ASSERT_LE(0, child);
			expect_connected(_metadata, client, child);
			close(child);
			close(client);
			/* A feed may have woken it for what is gone. */
			EXPECT_EQ(EAGAIN, error_of(accept(fd, NULL, NULL)));
			epoll_wait(ep, &event, 1, 0);
		}
		close(ep);
		close(fd);
	}
}

static void *wait_in_poll(void *argument)
{
	struct waiter *waiter = argument;

	waiter->child = ready_within(waiter->fd, POLLIN, WAIT_MS) ? accept(waiter->fd, NULL, NULL) : -1;
	return NULL;
}

TEST_F(net, poll)
{
	int fd = listener(_metadata, TCP, variant->family, SOCK_NONBLOCK);

	for (int round = 0; round < ROUNDS; round++) {
		struct waiter waiter = { .fd = fd };
		int client;

		ASSERT_EQ(0, pthread_create(&waiter.thread, NULL, wait_in_poll, &waiter));
		change_hands(_metadata, fd, round);
		client = client_of(_metadata, variant->client, fd);
		ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
		ASSERT_LE(0, waiter.child) TH_LOG("round %d", round);
		close(waiter.child);
		close(client);
	}
	close(fd);
}

/* --- io_uring --- */

static int uring_result(META, struct io_uring *ring)
{
	struct __kernel_timespec patience = { .tv_sec = WAIT_MS / 1000 };
	struct io_uring_cqe *cqe = NULL;
	int result;

	ASSERT_EQ(0, io_uring_wait_cqe_timeout(ring, &cqe, &patience)) TH_LOG("no completion");
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

/* @flags: IOSQE_ASYNC waits in accept() itself, on a worker of io_uring's, others by its poll. */
static void uring_rounds(META, int family, int client_family, bool multishot, unsigned int flags)
{
	int fd = listener(_metadata, TCP, family, 0);
	struct io_uring ring;

	ASSERT_EQ(0, io_uring_queue_init(16, &ring, 0));
	for (int round = 0; round < ROUNDS; round++) {
		struct io_uring_sqe *sqe;
		int client, child;

		if (!multishot || round == 0) {
			sqe = io_uring_get_sqe(&ring);
			if (multishot)
				io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, 0);
			else
				io_uring_prep_accept(sqe, fd, NULL, NULL, 0);
			sqe->flags |= flags;
			ASSERT_EQ(1, io_uring_submit(&ring));
		}
		change_hands(_metadata, fd, round);
		client = client_of(_metadata, client_family, fd);
		child = uring_result(_metadata, &ring);
		ASSERT_LE(0, child) TH_LOG("round %d: accept: %s", round, strerror(-child));
		expect_connected(_metadata, client, child);
		close(child);
		close(client);
	}
	io_uring_queue_exit(&ring);
	close(fd);
}

static bool has_uring(void)
{
	struct io_uring ring;

	if (io_uring_queue_init(2, &ring, 0))
		return false;
	io_uring_queue_exit(&ring);
	return true;
}

TEST_F(net, uring)
{
	if (!has_uring())
		SKIP(return, "no io_uring");
	uring_rounds(_metadata, variant->family, variant->client, false, 0);
	uring_rounds(_metadata, variant->family, variant->client, true, 0);
	uring_rounds(_metadata, variant->family, variant->client, false, IOSQE_ASYNC);
}

TEST_HARNESS_MAIN
