// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that do everything to a few listeners at once, in the caller's network namespace:
 *
 *	stress SECONDS SEED
 *
 * For so long at least, and until its input ends.
 *
 * They share their descriptors: one accepts while another closes, listens again, shuts down,
 * retunes, sets filters, attaches a program to the group, adopts and releases; queues move to heirs, are
 * parked, are stolen from and managed; clients connect, send, reset, vanish.
 * Errors are what the calls are for. Whether all is well is for the caller, and for the kernel, to
 * say: afterwards nothing may be left. Prints how many connections were made and accepted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/listenq.h>

#define SLOTS 8
#define PORT 7100

static atomic_int slots[SLOTS]; /* descriptors; 0: none */
static atomic_bool stop;
static atomic_ulong connected, accepted, listened;

struct dice {
	uint64_t state;
};

static uint32_t roll(struct dice *dice, uint32_t sides)
{
	dice->state ^= dice->state << 13;
	dice->state ^= dice->state >> 7;
	dice->state ^= dice->state << 17;
	return (dice->state >> 32) % sides;
}

/* Slots of even number are IPv4's, of odd number IPv6's. */
static socklen_t address(bool v6, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
	struct sockaddr_in *in = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	if (v6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(PORT + 1);
		in6->sin6_addr = in6addr_loopback;
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(PORT);
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(*in);
}

static int make(struct dice *dice, unsigned int slot)
{
	/* One in eight is TCP's own, a member of the same group. */
	const bool v6 = slot % 2, ours = roll(dice, 8);
	struct sockaddr_storage to;
	const socklen_t length = address(v6, &to);
	const int on = 1;
	int fd;

	fd = socket(ours ? AF_LISTENQ : v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK,
		    ours ? v6 : 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&to, length) || listen(fd, roll(dice, 20))) {
		close(fd);
		return -1;
	}
	atomic_fetch_add(&listened, 1);
	return fd;
}

static void tune(struct dice *dice, int fd)
{
	static const char *const policies[] = { "linux",   "linux-classic", "linux-2.4", "bsd",
						"freebsd", "solaris",	    "windows",	 "" };
	static const char *const filters[] = { "dataready", "httpready", "dnsready", "tlsready" };
	struct sock_filter say[] = { { BPF_RET | BPF_K, 0, 0, roll(dice, 3) } };
	struct sock_fprog program = { .len = 1, .filter = say };
	struct listenq_accept_filter_arg filter = {};
	int value = (int)roll(dice, 5) - 1;

	switch (roll(dice, 10)) {
	case 9: /* EBUSY, once it listens */
		value = (int)roll(dice, 10) - 1;
		setsockopt(fd, SOL_LISTENQ, LQ_SHARDS, &value, sizeof(value));
		break;
	case 0:
		strcpy(filter.name, policies[roll(dice, 8)]);
		setsockopt(fd, SOL_LISTENQ, LQ_POLICY, filter.name, LISTENQ_POLICY_NAMSIZ);
		break;
	case 1:
		value = roll(dice, 2) ? -1 : 1 << roll(dice, 12);
		setsockopt(fd, SOL_LISTENQ, LQ_SYN_BACKLOG, &value, sizeof(value));
		break;
	case 2:
		setsockopt(fd, SOL_LISTENQ, LQ_SYNCOOKIES, &value, sizeof(value));
		break;
	case 3:
		setsockopt(fd, SOL_LISTENQ, LQ_ABORT_ON_OVERFLOW, &value, sizeof(value));
		break;
	case 4:
		setsockopt(fd, SOL_LISTENQ, LQ_SYNACK_RETRIES, &value, sizeof(value));
		break;
	case 5:
		strcpy(filter.name, filters[roll(dice, 4)]);
		setsockopt(fd, SOL_LISTENQ, LQ_ACCEPT_FILTER, &filter, sizeof(filter));
		break;
	case 6:
		setsockopt(fd, SOL_LISTENQ, LQ_ACCEPT_FILTER_BPF, &program, sizeof(program));
		break;
	case 7:
		setsockopt(fd, SOL_LISTENQ, LQ_ACCEPT_FILTER, NULL, 0);
		break;
	case 8:
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value, sizeof(value));
		break;
	}
}

/* What moves queues, and whom it leaves out: each off, or on in a way that matters within milliseconds. */
static void manage(struct dice *dice, int fd)
{
	static const struct {
		int option, most;
	} options[] = {
		{ LQ_ACCEPT_MAX_WAIT_MS, 50 }, { LQ_ACCEPT_DEAD, 2 },	       { LQ_ACCEPT_ORDER, 2 },
		{ LQ_CODEL_TARGET_MS, 20 },    { LQ_CODEL_INTERVAL_MS, 100 }, { LQ_SYN_ADMISSION_MS, 50 },
		{ LQ_GRACE_MS, 200 },	       { LQ_STEAL_US, 20000 },	       { LQ_STALLED_MS, 50 },
	};
	const unsigned int n = roll(dice, sizeof(options) / sizeof(*options));
	const int value = (int)roll(dice, options[n].most + 2) - 1;

	setsockopt(fd, SOL_LISTENQ, options[n].option, &value, sizeof(value));
}

static void owner_changes(struct dice *dice, int fd)
{
	const int release = roll(dice, 8) != 0;

	if (roll(dice, 2))
		setsockopt(fd, IPPROTO_TCP, TCP_ULP, LISTENQ_ULP_NAME, strlen(LISTENQ_ULP_NAME));
	else
		setsockopt(fd, SOL_LISTENQ, LQ_RELEASE, &release, sizeof(release));
}

static void group(struct dice *dice, int fd)
{
	struct sock_filter say[] = { { BPF_RET | BPF_K, 0, 0, roll(dice, SLOTS) } };
	struct sock_fprog program = { .len = 1, .filter = say };
	const int zero = 0;

	if (roll(dice, 2))
		setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
	else
		setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &zero, sizeof(zero));
}

static void look(struct dice *dice, int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	struct listenq_info info;
	socklen_t length = sizeof(info);

	if (roll(dice, 2))
		poll(&poller, 1, roll(dice, 3));
	else
		getsockopt(fd, SOL_LISTENQ, LQ_INFO, &info, &length);
}

static void take(struct dice *dice, int fd)
{
	char buffer[64];
	int child;

	while ((child = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		atomic_fetch_add(&accepted, 1);
		if (read(child, buffer, sizeof(buffer)) > 0 && roll(dice, 2))
			send(child, buffer, 1, MSG_NOSIGNAL);
		close(child);
	}
}

static void end(struct dice *dice, int fd)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	if (roll(dice, 2))
		shutdown(fd, roll(dice, 3));
	else
		connect(fd, &nowhere, sizeof(nowhere));
	listen(fd, roll(dice, 20));
}

static void *owner(void *seed)
{
	struct dice dice = { (uintptr_t)seed };

	while (!stop) {
		const unsigned int slot = roll(&dice, SLOTS);
		int fd = slots[slot], expected = 0, copy;

		if (fd == 0) {
			fd = make(&dice, slot);
			if (fd > 0 && !atomic_compare_exchange_strong(&slots[slot], &expected, fd))
				close(fd);
			continue;
		}
		switch (roll(&dice, 20)) {
		case 0:
			fd = atomic_exchange(&slots[slot], 0);
			if (fd)
				close(fd);
			break;
		case 1:
			/* The description goes on in another descriptor. */
			copy = dup(fd);
			fd = atomic_exchange(&slots[slot], copy < 0 ? 0 : copy);
			if (fd)
				close(fd);
			break;
		case 2:
			end(&dice, fd);
			break;
		case 3:
			group(&dice, fd);
			break;
		case 4:
		case 5:
			listen(fd, roll(&dice, 40) - 5);
			break;
		case 6:
		case 7:
		case 8:
			tune(&dice, fd);
			break;
		case 9:
			look(&dice, fd);
			break;
		case 10:
		case 11:
			manage(&dice, fd);
			break;
		case 12:
			owner_changes(&dice, fd);
			break;
		default:
			take(&dice, fd);
			break;
		}
	}
	return NULL;
}

static void *client(void *seed)
{
	const struct linger reset = { .l_onoff = 1 };
	struct dice dice = { (uintptr_t)seed };
	struct sockaddr_storage to;
	int fds[16] = {};

	while (!stop) {
		const unsigned int n = roll(&dice, 16);
		const bool v6 = roll(&dice, 2);
		const socklen_t length = address(v6, &to);
		struct pollfd poller = { .events = POLLOUT };

		if (fds[n]) {
			if (roll(&dice, 3) == 0)
				setsockopt(fds[n], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
			else if (roll(&dice, 2))
				send(fds[n], "GET / HTTP/1.0\r\n\r\n", roll(&dice, 19),
				     MSG_NOSIGNAL | MSG_DONTWAIT);
			close(fds[n]);
			fds[n] = 0;
			continue;
		}
		fds[n] = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (fds[n] < 0) {
			fds[n] = 0;
			continue;
		}
		connect(fds[n], (struct sockaddr *)&to, length);
		poller.fd = fds[n];
		if (roll(&dice, 2) && poll(&poller, 1, 20) == 1 && poller.revents == POLLOUT)
			atomic_fetch_add(&connected, 1);
	}
	return NULL;
}

/* The namespace's settings change under live listeners. */
static void *tuner(void *seed)
{
	static const char *const settings[][2] = {
		{ "policy", "linux" },	      { "policy", "freebsd" },
		{ "policy", "bsd" },	      { "max_syn_backlog", "16" },
		{ "max_syn_backlog", "2048" }, { "syncookies", "0" },
		{ "syncookies", "1" },	      { "syncookies", "2" },
		{ "abort_on_overflow", "1" }, { "abort_on_overflow", "0" },
		{ "synack_timeout_ms", "10" }, { "synack_timeout_ms", "300" },
		{ "shards", "1" },	      { "shards", "4" },
		{ "grace_ms", "0" },	      { "grace_ms", "100" },
		{ "migrate", "0" },	      { "migrate", "1" },
		{ "steal_us", "0" },	      { "steal_us", "2000" },
		{ "stalled_ms", "0" },	      { "stalled_ms", "20" },
		{ "accept_max_wait_ms", "0" }, { "accept_max_wait_ms", "30" },
		{ "accept_dead", "keep" },    { "accept_dead", "skip" },
		{ "accept_order", "fifo" },   { "accept_order", "adaptive" },
		{ "syn_admission_ms", "0" },  { "syn_admission_ms", "30" },
		{ "codel_target_ms", "0" },   { "codel_target_ms", "5" },
	};
	struct dice dice = { (uintptr_t)seed };

	while (!stop) {
		const unsigned int n = roll(&dice, sizeof(settings) / sizeof(*settings));
		char path[80];
		int fd;

		snprintf(path, sizeof(path), "/proc/sys/net/listenq/%s", settings[n][0]);
		fd = open(path, O_WRONLY);
		if (fd >= 0) {
			if (write(fd, settings[n][1], strlen(settings[n][1])) < 0)
				perror("stress: sysctl");
			close(fd);
		}
		usleep(1000); /* so that the others get somewhere with each setting */
	}
	return NULL;
}

static void work(unsigned int seconds, uint32_t seed)
{
	void *(*const jobs[])(void *) = { owner, owner, owner, client, client, client, tuner };
	enum { N = sizeof(jobs) / sizeof(*jobs) };
	pthread_t threads[N];
	unsigned int i;
	char byte;

	for (i = 0; i < N; i++)
		pthread_create(&threads[i], NULL, jobs[i],
			       (void *)(uintptr_t)((seed + i + 1) * 0x9e3779b97f4a7c15ull));
	sleep(seconds); /* the storm's length */
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	stop = true;
	for (i = 0; i < N; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	pid_t pid;
	int status = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: stress SECONDS SEED\n");
		return 2;
	}
	/* Two processes: descriptors shared within each, the groups by both. */
	pid = fork();
	work(atoi(argv[1]), strtoul(argv[2], NULL, 10) + (pid == 0 ? 1000 : 0));
	printf("listened %lu connected %lu accepted %lu\n", listened, connected, accepted);
	fflush(stdout);
	if (pid > 0)
		waitpid(pid, &status, 0);
	return pid < 0 || status;
}
