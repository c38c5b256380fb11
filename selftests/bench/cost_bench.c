// SPDX-License-Identifier: GPL-2.0
/*
 * What one user's listeners, and strangers' segments, cost others: instructions of the same event with
 * and without them, counted as in event_bench.c. Prints
 *
 *	event TAB of whom TAB beside what TAB p50
 *
 * where "of whom" is the kind of the server that is measured, and "beside what" says who is there
 * besides, and how many; cost_report.py compares.
 */
#define _GNU_SOURCE
#include "bench.h"

#define SAMPLES 400
#define WARM_UP 50
#define ROUNDS (SAMPLES + WARM_UP)
#define CROWD 20000
#define SAME_PORT 1000
#define GROUP 500
#define SETTING 5000
#define LOOPBACK 0x7f000001u

static uint64_t samples[ROUNDS];
static int crowd[CROWD];

/* Without an @event: caches of the kernel's own are warm now. */
static void report(const char *event, enum kind kind, const char *beside)
{
	if (!event)
		return;
	printf("%s\t%s\t%s\t%llu\n", event, kind_names[kind], beside,
	       (unsigned long long)median(samples + WARM_UP, SAMPLES));
	fflush(stdout);
}

/* --- sockets --- */

static int bound(enum kind kind, uint32_t addr, uint16_t port, bool group)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
					.sin_addr.s_addr = htonl(addr) };
	const int one = 1, fd = socket(kind == LQ ? AF_LISTENQ : AF_INET,
				       SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || (group && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one))) ||
	    bind(fd, (const struct sockaddr *)&to, sizeof(to)))
		die("bound");
	return fd;
}

static int listening(enum kind kind, uint32_t addr, uint16_t port, bool group)
{
	const int fd = bound(kind, addr, port, group);

	if (listen(fd, 64))
		die("listen");
	return fd;
}

static void leave(int count)
{
	while (count > 0)
		close(crowd[--count]);
}

/* At other ports and addresses, ports that differ from 80 by multiples of 256: like many a table's. */
static void enter(enum kind kind, int count)
{
	for (int i = 0; i < count; i++)
		crowd[i] = listening(kind, LOOPBACK + 0x100 + i / 200, 2128 + 256 * (i % 200),
				     false);
}

/* At addresses of their own. */
static void enter_port(enum kind kind, uint16_t port, int count)
{
	for (int i = 0; i < count; i++)
		crowd[i] = listening(kind, LOOPBACK + 0x100 + i, port, false);
}

/* --- what is measured --- */

static void connections(const char *event, enum kind kind, const char *beside, uint16_t port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
					.sin_addr.s_addr = htonl(LOOPBACK) };
	const struct linger linger = { .l_onoff = 1 };
	const int fd = listening(kind, LOOPBACK, port, false);

	for (int i = 0; i < ROUNDS; i++) {
		const int client = socket(AF_INET, SOCK_STREAM, 0);
		uint64_t before;
		int child;

		if (client < 0)
			die("socket");
		before = __rdtsc();
		if (connect(client, (const struct sockaddr *)&to, sizeof(to)))
			die("connect");
		child = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
		samples[i] = __rdtsc() - before;
		if (child < 0)
			die("accept4");
		setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(client);
		close(child);
	}
	close(fd);
	report(event, kind, beside);
}

static void bench_connections(void)
{
	for (enum kind kind = TCP; kind <= LQ; kind++) {
		connections("connect", kind, "nobody", 80);
		for (enum kind others = TCP; others <= LQ; others++) {
			enter(others, CROWD);
			connections("connect", kind, kind_names[others], 80);
			leave(CROWD);
			enter_port(others, 80, SAME_PORT);
			connections("connect_port", kind, kind_names[others], 80);
			leave(SAME_PORT);
		}
	}
}

/* Segments of no connection to a group. */
static void strangers(const char *event, enum kind kind, uint16_t port, uint8_t flags, int count)
{
	char beside[16];

	for (int i = 0; i < count; i++)
		crowd[i] = listening(kind, INADDR_ANY, port, true);
	for (int i = 0; i < ROUNDS; i++) {
		struct peer peer = new_peer(port);
		struct packet packet;

		peer.ack = 0x1234567u * i;
		packet = segment(&peer, flags, 0, 0);
		samples[i] = inject(&packet);
		drain(NULL);
	}
	leave(count);
	snprintf(beside, sizeof(beside), "%d", count);
	report(event, kind, beside);
}

static void bench_groups(void)
{
	static const int counts[] = { 1, 16, GROUP };

	for (enum kind kind = TCP; kind <= LQ; kind++) {
		for (int i = 0; i < 3; i++) {
			strangers("ack_stranger", kind, 1000 + kind, ACK, counts[i]);
			strangers("rst_stranger", kind, 1000 + kind, RST, counts[i]);
		}
	}
}

static void data(const char *event, enum kind kind, const char *beside, uint16_t port)
{
	sample_data(samples, ROUNDS, kind, port);
	report(event, kind, beside);
}

static void syns(enum kind kind, const char *beside, uint16_t port)
{
	sample_syns(samples, ROUNDS, kind, port);
	report("syn", kind, beside);
}

static void bench_segments(void)
{
	int neighbour;

	data(NULL, TCP, "", 1009);
	for (enum kind kind = TCP; kind <= LQ; kind++)
		data("data_demux", kind, "nobody", 1010 + kind);
	sysctl("net/ipv4/ip_early_demux", "0");
	for (enum kind kind = TCP; kind <= LQ; kind++)
		data("data_no_demux", kind, "nobody", 1012 + kind);
	/* Of a connection at a port of TCP's, while somebody listens at another. */
	neighbour = listener(LQ, 1020, 16);
	data("data_no_demux", TCP, "lq", 1014);
	sysctl("net/ipv4/ip_early_demux", "1");
	data("data_demux", TCP, "lq", 1015);
	syns(TCP, "lq", 1016);
	close(neighbour);
	syns(TCP, "nobody", 1017);
}

/* listen() and close() of one, beside so many. */
static void one_more(enum kind kind, const char *beside)
{
	static uint64_t closes[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		const int fd = bound(kind, LOOPBACK, 1030, false);
		uint64_t before = __rdtsc();

		if (listen(fd, 64))
			die("listen");
		samples[i] = __rdtsc() - before;
		before = __rdtsc();
		close(fd);
		closes[i] = __rdtsc() - before;
	}
	report("listen", kind, beside);
	memcpy(samples, closes, sizeof(samples));
	report("close", kind, beside);
}

static void bench_listen(void)
{
	for (enum kind kind = TCP; kind <= LQ; kind++) {
		one_more(kind, "nobody");
		enter(kind, CROWD);
		one_more(kind, kind_names[kind]);
		leave(CROWD);
	}
}

static void bench_setting(void)
{
	for (int count = 1; count <= SETTING; count += SETTING - 1) {
		const int fd = open("/proc/sys/net/listenq/max_syn_backlog", O_WRONLY);
		char beside[16];

		enter(LQ, count);
		for (int i = 0; i < ROUNDS; i++) {
			const uint64_t before = __rdtsc();

			if (pwrite(fd, i % 2 ? "1024" : "2048", 4, 0) != 4)
				die("max_syn_backlog");
			samples[i] = __rdtsc() - before;
		}
		leave(count);
		close(fd);
		snprintf(beside, sizeof(beside), "%d", count);
		report("sysctl", LQ, beside);
	}
}

int main(void)
{
	open_namespace();
	sysctl("net/core/somaxconn", "65535");
	sysctl("net/ipv4/tcp_max_syn_backlog", "1048576");
	sysctl("net/listenq/max_syn_backlog", "65536");
	/* None of these is anybody's. */
	sysctl("net/ipv4/ip_local_port_range", "61000 65500");
	bench_segments();
	bench_groups();
	bench_listen();
	bench_setting();
	bench_connections();
	return 0;
}
