// SPDX-License-Identifier: GPL-2.0
/*
 * Accept filters that come and go under connections, in the caller's network namespace; the last
 * needs its administrator:
 *
 *	filter_race programs COUNT	set and remove a program so often, while connections are
 *					held, send, are evicted and accepted
 *	filter_race stop COUNT		two threads set programs, while a listener stops
 *	filter_race all COUNT		all of it at once, and an administrator destroys
 *					connections (SOCK_DESTROY), while the listener stops so often
 *
 * Errors are what the calls are for. Whether all is well is for the caller, and for the kernel, to
 * say: afterwards nothing may be left. Prints how often filters were set, and how many
 * connections were made, accepted and destroyed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/listenq.h>

#define PORT 7200
#define CONNECTORS 2
#define CLIENTS 8 /* of each connector, the oldest is reset for the newest */

static atomic_int listener;
static atomic_int clients[CONNECTORS * CLIENTS]; /* descriptors; 0: none */
static atomic_bool stop;
static atomic_ulong set, connected, accepted, destroyed, stopped;

static struct sockaddr_in here(void)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(PORT),
				     .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static void pin(unsigned int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static int make_listener(void)
{
	const struct sockaddr_in to = here();
	const int fd = socket(AF_LISTENQ, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&to, sizeof(to)) || listen(fd, 1)) {
		perror("listener");
		exit(1);
	}
	return fd;
}

/* It waits for ever; with 3000 instructions a callback is in it when it goes. */
static int set_program(int fd, int instructions)
{
	struct sock_filter code[3000];
	struct sock_fprog program = { instructions, code };
	int i;

	for (i = 0; i < instructions - 1; i++)
		code[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, i);
	code[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return setsockopt(fd, SOL_LISTENQ, LQ_ACCEPT_FILTER_BPF, &program, sizeof(program));
}

static int set_name(int fd, const char *name)
{
	struct listenq_accept_filter_arg arg = {};

	snprintf(arg.name, sizeof(arg.name), "%s", name);
	return setsockopt(fd, SOL_LISTENQ, LQ_ACCEPT_FILTER, &arg, sizeof(arg));
}

static int remove_filter(int fd)
{
	return setsockopt(fd, SOL_LISTENQ, LQ_ACCEPT_FILTER, NULL, 0);
}

/* --- threads --- */

static void *connects(void *which)
{
	const int first = (int)(long)which * CLIENTS;
	const struct sockaddr_in to = here();
	const struct linger reset = { 1, 0 };
	int at = 0, one = 1, old;

	pin(1 + (long)which);
	for (; !stop; at = (at + 1) % CLIENTS) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		setsockopt(fd, SOL_TCP, TCP_NODELAY, &one, sizeof(one));
		connect(fd, (const struct sockaddr *)&to, sizeof(to));
		if (send(fd, "abcdefgh", 8, MSG_NOSIGNAL) == 8)
			connected++;
		old = atomic_exchange(&clients[first + at], fd);
		if (old)
			close(old);
	}
	return NULL;
}

static void *sends(void *unused)
{
	int i;

	(void)unused;
	pin(3);
	while (!stop) {
		for (i = 0; i < CONNECTORS * CLIENTS; i++) {
			if (clients[i])
				send(clients[i], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		}
		sched_yield();
	}
	return NULL;
}

static void *accepts(void *unused)
{
	int fd;

	(void)unused;
	pin(2);
	while (!stop) {
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		if (fd < 0) {
			sched_yield();
			continue;
		}
		accepted++;
		close(fd);
	}
	return NULL;
}

struct diag_request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

union diag_answer {
	struct nlmsghdr header;
	struct {
		struct nlmsghdr header;
		struct inet_diag_msg body;
	} found;
	struct {
		struct nlmsghdr header;
		struct nlmsgerr body;
	} error;
	char room[4096];
};

static bool ask_diag(int diag, struct diag_request *request, int type, int flags,
		     union diag_answer *answer)
{
	request->header = (struct nlmsghdr){ .nlmsg_len = sizeof(*request),
					     .nlmsg_type = type,
					     .nlmsg_flags = NLM_F_REQUEST | flags };
	return send(diag, request, sizeof(*request), 0) > 0 &&
	       recv(diag, answer, sizeof(*answer), 0) > 0;
}

/* The listener's end of a client's connection, as ss -K does it; not the listener. */
static bool destroy(int diag, __be16 client)
{
	union diag_answer answer;
	struct diag_request request = {
		.body = { .sdiag_family = AF_INET,
			  .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = ~0u,
			  .id = { .idiag_sport = htons(PORT),
				  .idiag_dport = client,
				  .idiag_src = { htonl(INADDR_LOOPBACK) },
				  .idiag_dst = { htonl(INADDR_LOOPBACK) },
				  .idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } },
	};

	/* Not by the state: that of a listener that stops, and will listen again, is TCP_CLOSE. */
	if (!ask_diag(diag, &request, SOCK_DIAG_BY_FAMILY, 0, &answer) ||
	    answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    answer.found.body.id.idiag_dport != client)
		return false;
	request.body.id = answer.found.body.id;
	return ask_diag(diag, &request, SOCK_DESTROY, NLM_F_ACK, &answer) &&
	       answer.header.nlmsg_type == NLMSG_ERROR && answer.error.body.error == 0;
}

static void *destroys(void *unused)
{
	const int diag = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	struct sockaddr_in name;
	socklen_t length;
	int i;

	(void)unused;
	pin(0);
	for (i = 0; !stop; i = (i + 1) % (CONNECTORS * CLIENTS)) {
		length = sizeof(name);
		if (clients[i] && !getsockname(clients[i], (struct sockaddr *)&name, &length) &&
		    destroy(diag, name.sin_port))
			destroyed++;
		sched_yield();
	}
	close(diag);
	return NULL;
}

static void *sets(void *which)
{
	pin((long)which);
	while (!stop) {
		const int fd = listener;

		if ((long)which % 2 ? !set_name(fd, "dataready") : !set_program(fd, 10))
			set++;
	}
	return NULL;
}

static void *sets_programs(void *which)
{
	pin((long)which);
	while (!stop) {
		if (!set_program(listener, 1))
			set++;
	}
	return NULL;
}

static void *removes(void *unused)
{
	(void)unused;
	while (!stop) {
		remove_filter(listener);
		usleep(1000); /* so that there is one at times */
	}
	return NULL;
}

/* --- what the main thread does so often --- */

static void toggle(void)
{
	if (set_program(listener, 3000) || remove_filter(listener)) {
		perror("filter");
		exit(1);
	}
	set++;
}

/* It listens for a moment, which is not always the same, or until it has a filter. */
static void stop_fresh(void)
{
	const int fd = socket(AF_LISTENQ, SOCK_STREAM, 0);
	const unsigned long before = set;
	volatile int moment;

	listen(fd, 5);
	listener = fd;
	for (moment = stopped * 7919 % 2000; moment > 0; moment--)
		;
	while (stopped % 4 == 0 && set == before)
		sched_yield();
	shutdown(fd, SHUT_RD);
	listener = -1;
	close(fd);
	stopped++;
}

/* When connections have come, and filters have been set, since the last time. */
static void stop_listener(void)
{
	static unsigned long last_connected, last_set;

	while (connected - last_connected < 20 || set - last_set < 2)
		sched_yield();
	last_connected = connected;
	last_set = set;
	if (shutdown(listener, SHUT_RD) || listen(listener, 1)) {
		perror("listen again");
		exit(1);
	}
	stopped++;
}

int main(int argc, char **argv)
{
	static void *(*const all[])(void *) = { sends, accepts, destroys, removes };
	const char *what = argc == 3 ? argv[1] : "";
	const bool programs = !strcmp(what, "programs"), fresh = !strcmp(what, "stop");
	unsigned long i, count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	pthread_t threads[16];
	int n = 0;
	long which;

	if (!programs && !fresh && strcmp(what, "all")) {
		fprintf(stderr, "usage: filter_race programs|stop|all COUNT\n");
		return 2;
	}
	listener = fresh ? -1 : make_listener();
	for (which = 0; which < 2 && !programs; which++)
		pthread_create(&threads[n++], NULL, fresh ? sets_programs : sets, (void *)which);
	for (which = 0; which < CONNECTORS && !fresh; which++)
		pthread_create(&threads[n++], NULL, connects, (void *)which);
	for (i = 0; i < (fresh ? 0 : programs ? 2 : 4); i++)
		pthread_create(&threads[n++], NULL, all[i], NULL);
	for (i = 0; i < count; i++) {
		if (programs)
			toggle();
		else if (fresh)
			stop_fresh();
		else
			stop_listener();
	}
	stop = true;
	while (n > 0)
		pthread_join(threads[--n], NULL);
	printf("set %lu connected %lu accepted %lu destroyed %lu\n", set, connected, accepted,
	       destroyed);
	return 0;
}
