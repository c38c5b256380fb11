// SPDX-License-Identifier: GPL-2.0
/* Every way to wait for a connection and to take it: accept(), poll, epoll, io_uring, signals. */
#include <liburing.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "lq.h"

/* --- accept() and accept4() --- */

TEST_F(net, accept_fills_the_address)
{
	for_each_kind(kind) {
		struct address from = { .len = sizeof(from.storage) }, peer;
		int fd = listener(_metadata, kind, variant->family, 0);
		int client = client_of(_metadata, variant->client, fd);
		int child = accept(fd, &from.sa, &from.len);

		ASSERT_LE(0, child);
		peer = peer_of(_metadata, child);
		EXPECT_TRUE(same_address(&from, &peer));
		EXPECT_EQ(variant->family, from.sa.sa_family);
		EXPECT_EQ(port_of(_metadata, client), port_in(&from));
		if (variant->family == AF_INET) {
			EXPECT_EQ(sizeof(struct sockaddr_in), from.len);
			EXPECT_EQ(htonl(INADDR_LOOPBACK), from.in.sin_addr.s_addr);
		} else {
			EXPECT_EQ(sizeof(struct sockaddr_in6), from.len);
			EXPECT_EQ(variant->client == AF_INET,
				  !!IN6_IS_ADDR_V4MAPPED(&from.in6.sin6_addr));
		}
		expect_connected(_metadata, client, child);
	}
}

/* What does not fit is cut off, and addrlen says how long it would have been. */
TEST_F(net, accept_truncates_the_address)
{
	for_each_kind(kind) {
		struct address whole = address_of(variant->family, false, 0), cut = {};
		int fd = listener(_metadata, kind, variant->family, 0);

		memset(&cut.storage, 0x55, sizeof(cut.storage));
		cut.len = 3;
		client_of(_metadata, variant->client, fd);
		ASSERT_LE(0, accept(fd, &cut.sa, &cut.len));
		EXPECT_EQ(whole.len, cut.len);
		EXPECT_EQ(variant->family, cut.sa.sa_family);
		EXPECT_EQ(0x55, ((unsigned char *)&cut.storage)[3]);

		cut.len = 0;
		client_of(_metadata, variant->client, fd);
		ASSERT_LE(0, accept(fd, &cut.sa, &cut.len));
		EXPECT_EQ(whole.len, cut.len);
	}
}

TEST_F(net, accept4_flags)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);
		int child;

		client_of(_metadata, variant->client, fd);
		ASSERT_TRUE(ready_within(fd, POLLIN, WAIT_MS));
		child = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		ASSERT_LE(0, child);
		EXPECT_TRUE(fcntl(child, F_GETFL) & O_NONBLOCK);
		EXPECT_TRUE(fcntl(child, F_GETFD) & FD_CLOEXEC);

		/* They are not inherited. */
		client_of(_metadata, variant->client, fd);
		child = accepted_of(_metadata, fd);
		EXPECT_FALSE(fcntl(child, F_GETFL) & O_NONBLOCK);
		EXPECT_FALSE(fcntl(child, F_GETFD) & FD_CLOEXEC);

		EXPECT_EQ(EINVAL, error_of(accept4(fd, NULL, NULL, 1)));
	}
}

/* The connection whose address cannot be stored is lost, and only that one. */
TEST_F(net, accept_with_bad_pointers)
{
	for_each_kind(kind) {
		void *const bad = (void *)8;
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);
		struct address from = { .len = -1 };

		EXPECT_EQ(EAGAIN, error_of(accept(fd, bad, bad)));
		client_of(_metadata, variant->client, fd);
		ASSERT_TRUE(ready_within(fd, POLLIN, WAIT_MS));
		EXPECT_EQ(EFAULT, error_of(accept(fd, bad, &(socklen_t){ sizeof(from.in) })));
		EXPECT_EQ(EAGAIN, error_of(accept(fd, NULL, NULL)));
		client_of(_metadata, variant->client, fd);
		ASSERT_TRUE(ready_within(fd, POLLIN, WAIT_MS));
		EXPECT_EQ(EFAULT, error_of(accept(fd, &from.sa, bad)));
		client_of(_metadata, variant->client, fd);
		ASSERT_TRUE(ready_within(fd, POLLIN, WAIT_MS));
		EXPECT_EQ(EFAULT, error_of(accept(fd, &from.sa, NULL)));
		client_of(_metadata, variant->client, fd);
		ASSERT_TRUE(ready_within(fd, POLLIN, WAIT_MS));
		EXPECT_EQ(EINVAL, error_of(accept(fd, &from.sa, &from.len)));
		expect_serves(_metadata, variant->client, fd);
		EXPECT_EQ(EAGAIN, error_of(accept(fd, NULL, NULL)));
	}
}

/* --- blocking or not --- */

TEST_F(net, nonblocking_accept)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);

		EXPECT_EQ(EAGAIN, error_of(accept(fd, NULL, NULL)));
		expect_serves(_metadata, variant->client, fd);
		EXPECT_EQ(EAGAIN, error_of(accept(fd, NULL, NULL)));
		/* By fcntl() as well. */
		ASSERT_EQ(0, fcntl(fd, F_SETFL, 0));
		client_of(_metadata, variant->client, fd);
		ASSERT_LE(0, accept(fd, NULL, NULL));
		ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
		EXPECT_EQ(EAGAIN, error_of(accept(fd, NULL, NULL)));
	}
}

TEST_F(net, blocking_accept_is_woken)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0);

		for (int i = 0; i < 3; i++) {
			pid_t pid = connect_when_asleep(_metadata, variant->client, fd);
			int child = accept(fd, NULL, NULL);

			ASSERT_LE(0, child) TH_LOG("accept: %s", strerror(errno));
			EXPECT_EQ(0, status_of(_metadata, pid));
			close(child);
		}
	}
}

/* Each of several that wait gets one, and exactly one. */
TEST_F(net, many_wait_in_accept)
{
	enum { N = 5 };
	int fd = listener(_metadata, LQ, variant->family, 0);
	pid_t waiting[N];

	for (int i = 0; i < N; i++) {
		waiting[i] = fork();
		ASSERT_LE(0, waiting[i]);
		if (waiting[i] == 0)
			_exit(accept(fd, NULL, NULL) < 0);
	}
	for (int i = 0; i < N; i++)
		wait_asleep(waiting[i]);
	for (int i = 0; i < N; i++)
		client_of(_metadata, variant->client, fd);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(0, status_of(_metadata, waiting[i]));
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(EAGAIN, error_of(accept(fd, NULL, NULL)));
}

TEST_F(net, receive_timeout)
{
	const struct timeval tv = { .tv_usec = 200000 };

	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0);
		struct rusage before, after;

		ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
		getrusage(RUSAGE_THREAD, &before);
		EXPECT_EQ(EAGAIN, error_of(accept(fd, NULL, NULL)));
		getrusage(RUSAGE_THREAD, &after);
		/* It slept. For how long no clock can say: a slow guest catches up on ticks. */
		EXPECT_LT(before.ru_nvcsw, after.ru_nvcsw);
		expect_serves(_metadata, variant->client, fd);
	}
}

/* --- signals --- */

static volatile sig_atomic_t ticks;
static int tick_family, tick_port;

static void on_tick(int signal)
{
	(void)signal;
	ticks++;
}

/* The third one brings a connection; connect() may be called in a handler. */
static void on_tick_connect(int signal)
{
	on_tick(signal);
	if (ticks == 3)
		connect_to(socket(tick_family, SOCK_STREAM, 0), tick_family, tick_port);
}

/* Signals that come again and again, as the first may come before accept() waits. */
static void start_ticks(META, void (*handler)(int), int flags)
{
	const struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	const struct itimerval every = { { .tv_usec = 50000 }, { .tv_usec = 50000 } };

	ticks = 0;
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &every, NULL));
}

static void stop_ticks(META)
{
	const struct itimerval never = {};

	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
}

TEST_F(net, signal_interrupts_accept)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0);

		start_ticks(_metadata, on_tick, 0);
		EXPECT_EQ(EINTR, error_of(accept(fd, NULL, NULL)));
		EXPECT_EQ(EINTR, error_of(accept(fd, NULL, NULL)));
		stop_ticks(_metadata);
		EXPECT_LE(2, ticks);
		expect_serves(_metadata, variant->client, fd);
	}
}

TEST_F(net, signal_with_sa_restart)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0);

		tick_family = variant->client;
		tick_port = port_of(_metadata, fd);
		start_ticks(_metadata, on_tick_connect, SA_RESTART);
		ASSERT_LE(0, accept(fd, NULL, NULL)) TH_LOG("accept: %s", strerror(errno));
		stop_ticks(_metadata);
		EXPECT_LE(3, ticks);
	}
}

/* A time limit cannot be restarted: signal(7). */
TEST_F(net, signal_with_sa_restart_and_timeout)
{
	const struct timeval tv = { .tv_sec = 100 };

	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0);

		ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
		start_ticks(_metadata, on_tick, SA_RESTART);
		EXPECT_EQ(EINTR, error_of(accept(fd, NULL, NULL)));
		stop_ticks(_metadata);
	}
}

/* A signal never takes a connection away. */
TEST_F(net, signals_lose_no_connection)
{
	enum { N = 60 };
	const struct itimerval often = { { .tv_usec = 2000 }, { .tv_usec = 2000 } };
	int fd = listener(_metadata, LQ, variant->family, 0);
	int port = port_of(_metadata, fd);
	int accepted = 0, interrupted = 0;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (pid == 0) {
		for (int i = 0; i < N; i++) {
			if (connect_to(socket(variant->client, SOCK_STREAM, 0), variant->client,
				       port))
				_exit(1);
			/* Longer than between two signals: they find it waiting. */
			usleep(3000);
		}
		_exit(0);
	}
	start_ticks(_metadata, on_tick, 0);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	while (accepted < N) {
		int child = accept(fd, NULL, NULL);

		if (child >= 0) {
			accepted++;
			close(child);
		} else {
			ASSERT_EQ(EINTR, errno);
			interrupted++;
		}
	}
	stop_ticks(_metadata);
	EXPECT_EQ(0, status_of(_metadata, pid));
	EXPECT_LT(0, interrupted);
	EXPECT_EQ(N, (int)info_of(_metadata, fd).accepted);
}

TEST_F(net, sigio_on_a_connection)
{
	const struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_RESTART };

	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);

		ticks = 0;
		ASSERT_EQ(0, sigaction(SIGIO, &action, NULL));
		ASSERT_EQ(0, fcntl(fd, F_SETOWN, getpid()));
		ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC));
		client_of(_metadata, variant->client, fd);
		for (int i = 0; i < WAIT_MS / 10 && !ticks; i++)
			usleep(10000);
		EXPECT_LT(0, ticks);
		close(fd);
	}
}

/* --- poll() and epoll --- */

TEST_F(net, poll_as_tcp)
{
	short seen[2][5] = {};

	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);
		struct pollfd pfd = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };
		int step = 0;

		EXPECT_EQ(0, poll(&pfd, 1, 0));
		seen[kind][step++] = pfd.revents;
		client_of(_metadata, variant->client, fd);
		client_of(_metadata, variant->client, fd);
		EXPECT_EQ(1, poll(&pfd, 1, WAIT_MS));
		seen[kind][step++] = pfd.revents;
		EXPECT_EQ(POLLIN, pfd.revents);
		accepted_of(_metadata, fd);
		EXPECT_EQ(1, poll(&pfd, 1, WAIT_MS));
		seen[kind][step++] = pfd.revents;
		accepted_of(_metadata, fd);
		EXPECT_EQ(0, poll(&pfd, 1, 0));
		seen[kind][step++] = pfd.revents;
		EXPECT_EQ(0, shutdown(fd, SHUT_RD));
		poll(&pfd, 1, 0);
		seen[kind][step++] = pfd.revents;
	}
	for (int step = 0; step < 5; step++) {
		EXPECT_EQ(seen[TCP][step], seen[LQ][step]) TH_LOG("step %d", step);
	}
}

TEST_F(net, poll_is_woken)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);
		pid_t pid = connect_when_asleep(_metadata, variant->client, fd);

		EXPECT_TRUE(ready_within(fd, POLLIN, WAIT_MS));
		EXPECT_EQ(0, status_of(_metadata, pid));
		accepted_of(_metadata, fd);
	}
}

static int epoll_on(META, int fd, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	int ep = epoll_create1(0);

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	return ep;
}

static int epoll_count(int ep, int ms)
{
	struct epoll_event event;

	return epoll_wait(ep, &event, 1, ms);
}

TEST_F(net, epoll_level)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);
		int ep = epoll_on(_metadata, fd, EPOLLIN);
		pid_t pid = connect_when_asleep(_metadata, variant->client, fd);

		EXPECT_EQ(1, epoll_count(ep, WAIT_MS));
		EXPECT_EQ(0, status_of(_metadata, pid));
		EXPECT_EQ(1, epoll_count(ep, 0));
		EXPECT_EQ(1, epoll_count(ep, 0));
		accepted_of(_metadata, fd);
		EXPECT_EQ(0, epoll_count(ep, 0));
		close(ep);
	}
}

TEST_F(net, epoll_edge)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);
		int ep = epoll_on(_metadata, fd, EPOLLIN | EPOLLET);

		for (int i = 0; i < 3; i++) {
			client_of(_metadata, variant->client, fd);
			EXPECT_EQ(1, epoll_count(ep, WAIT_MS));
			/* It stays in the queue, but that is no news. */
			EXPECT_EQ(0, epoll_count(ep, 0));
		}
		for (int i = 0; i < 3; i++)
			accepted_of(_metadata, fd);
		EXPECT_EQ(EAGAIN, error_of(accept(fd, NULL, NULL)));
		EXPECT_EQ(0, epoll_count(ep, 0));
		/* Added with a connection there: that is news. */
		client_of(_metadata, variant->client, fd);
		EXPECT_EQ(1, epoll_count(epoll_on(_metadata, fd, EPOLLIN | EPOLLET), WAIT_MS));
		close(ep);
	}
}

/* Two workers share a listener; between them they take everything. */
TEST_F(net, epoll_exclusive)
{
	enum { N = 20 };

	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);
		int total = 0, count, pipes[2];
		pid_t workers[2];

		ASSERT_EQ(0, pipe(pipes));
		for (int i = 0; i < 2; i++) {
			workers[i] = fork();
			ASSERT_LE(0, workers[i]);
			if (workers[i] == 0) {
				int ep = epoll_on(_metadata, fd, EPOLLIN | EPOLLEXCLUSIVE);

				for (;;) {
					epoll_count(ep, -1);
					for (count = 0; accept(fd, NULL, NULL) >= 0; count++)
						;
					if (write(pipes[1], &count, sizeof(count)) < 0)
						_exit(1);
				}
			}
		}
		wait_asleep(workers[0]);
		wait_asleep(workers[1]);
		for (int i = 0; i < N; i++)
			client_of(_metadata, variant->client, fd);
		while (total < N) {
			ASSERT_TRUE(ready_within(pipes[0], POLLIN, WAIT_MS));
			ASSERT_EQ((ssize_t)sizeof(count), read(pipes[0], &count, sizeof(count)));
			total += count;
		}
		EXPECT_EQ(N, total);
		for (int i = 0; i < 2; i++) {
			kill(workers[i], SIGKILL);
			waitpid(workers[i], NULL, 0);
		}
	}
}

/* --- io_uring --- */

static bool ring_init(META, struct io_uring *ring)
{
	int err = io_uring_queue_init(16, ring, 0);

	if (err == -ENOSYS || err == -EPERM)
		return false;
	ASSERT_EQ(0, err);
	return true;
}

/* The next completion; its flags go to *flags. */
static int ring_result(META, struct io_uring *ring, unsigned int *flags)
{
	struct __kernel_timespec patience = { .tv_sec = WAIT_MS / 1000 };
	struct io_uring_cqe *cqe = NULL;
	int result;

	ASSERT_EQ(0, io_uring_wait_cqe_timeout(ring, &cqe, &patience)) TH_LOG("no completion");
	result = cqe->res;
	*flags = cqe->flags;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

static void ring_accept(META, struct io_uring *ring, int fd, bool multishot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (multishot)
		io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	sqe->user_data = 1;
	ASSERT_EQ(1, io_uring_submit(ring));
}

/* The connection comes after accept() was asked for, and before; the socket blocks, and not. */
TEST_F(net, uring_accept)
{
	struct io_uring ring;
	unsigned int flags;

	if (!ring_init(_metadata, &ring))
		SKIP(return, "no io_uring");
	for_each_kind(kind) {
		for (int i = 0; i < 4; i++) {
			int fd = listener(_metadata, kind, variant->family,
					  i & 1 ? SOCK_NONBLOCK : 0);
			const bool before = i & 2;
			int client = -1, child;

			if (before)
				client = client_of(_metadata, variant->client, fd);
			ring_accept(_metadata, &ring, fd, false);
			if (!before) {
				EXPECT_EQ(0u, io_uring_cq_ready(&ring));
				client = client_of(_metadata, variant->client, fd);
			}
			child = ring_result(_metadata, &ring, &flags);
			ASSERT_LE(0, child) TH_LOG("accept: %s", strerror(-child));
			EXPECT_TRUE(fcntl(child, F_GETFD) & FD_CLOEXEC);
			expect_connected(_metadata, client, child);
			close(fd);
		}
	}
	io_uring_queue_exit(&ring);
}

TEST_F(net, uring_multishot_accept)
{
	struct io_uring ring;
	unsigned int flags;

	if (!ring_init(_metadata, &ring))
		SKIP(return, "no io_uring");
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0);
		int clients[8];

		/* Three are there already, the others come one by one. */
		for (int i = 0; i < 3; i++)
			clients[i] = client_of(_metadata, variant->client, fd);
		ring_accept(_metadata, &ring, fd, true);
		for (int i = 0; i < 8; i++) {
			int child;

			if (i >= 3)
				clients[i] = client_of(_metadata, variant->client, fd);
			child = ring_result(_metadata, &ring, &flags);
			ASSERT_LE(0, child) TH_LOG("accept: %s", strerror(-child));
			EXPECT_TRUE(flags & IORING_CQE_F_MORE);
			expect_connected(_metadata, clients[i], child);
			close(child);
		}
		/* Its end is the listener's. */
		EXPECT_EQ(0, shutdown(fd, SHUT_RD));
		EXPECT_EQ(-EINVAL, ring_result(_metadata, &ring, &flags));
		EXPECT_FALSE(flags & IORING_CQE_F_MORE);
		close(fd);
	}
	io_uring_queue_exit(&ring);
}

/* Whoever comes after a cancelled accept is not lost. */
TEST_F(net, uring_cancel)
{
	struct io_uring ring;
	unsigned int flags;

	if (!ring_init(_metadata, &ring))
		SKIP(return, "no io_uring");
	for_each_kind(kind) {
		for (int multishot = 0; multishot <= 1; multishot++) {
			int fd = listener(_metadata, kind, variant->family, 0);
			int results[2];

			ring_accept(_metadata, &ring, fd, multishot);
			io_uring_prep_cancel64(io_uring_get_sqe(&ring), 1, 0);
			ASSERT_EQ(1, io_uring_submit(&ring));
			for (int i = 0; i < 2; i++)
				results[i] = ring_result(_metadata, &ring, &flags);
			/* The cancellation's own result is 0; which is first is not said. */
			EXPECT_EQ(-ECANCELED, results[0] + results[1]);
			expect_serves(_metadata, variant->client, fd);
			EXPECT_EQ(0u, io_uring_cq_ready(&ring));
			close(fd);
		}
	}
	io_uring_queue_exit(&ring);
}

TEST_F(net, uring_poll)
{
	struct io_uring ring;
	unsigned int flags;

	if (!ring_init(_metadata, &ring))
		SKIP(return, "no io_uring");
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);

		io_uring_prep_poll_add(io_uring_get_sqe(&ring), fd, POLLIN);
		ASSERT_EQ(1, io_uring_submit(&ring));
		client_of(_metadata, variant->client, fd);
		EXPECT_EQ(POLLIN, ring_result(_metadata, &ring, &flags) & POLLIN);
		accepted_of(_metadata, fd);
	}
	io_uring_queue_exit(&ring);
}

/* A ring that still waits in accept() ends with its process and leaves the listener alone. */
TEST_F(net, uring_ends_while_it_waits)
{
	int fd = listener(_metadata, LQ, variant->family, 0);
	struct io_uring ring;
	pid_t pid;

	if (!ring_init(_metadata, &ring))
		SKIP(return, "no io_uring");
	io_uring_queue_exit(&ring);
	pid = fork();
	ASSERT_LE(0, pid);
	if (pid == 0) {
		ring_init(_metadata, &ring);
		ring_accept(_metadata, &ring, fd, true);
		_exit(0);
	}
	EXPECT_EQ(0, status_of(_metadata, pid));
	for (int i = 0; i < 3; i++)
		expect_serves(_metadata, variant->client, fd);
}

TEST_HARNESS_MAIN
