// SPDX-License-Identifier: GPL-2.0
/*
 * What one event of the listen path costs, in instructions: packets are written to a TUN device,
 * where the kernel handles them before write() returns, and the TSC is read before and after.
 * Under "scripts/vm --icount" the TSC counts the guest's instructions, so the numbers are exact
 * and the same on every machine.
 *
 * Each event is measured for TCP and for listenq in the same boot. Prints
 *
 *	event TAB kind TAB p50 TAB min TAB samples
 *
 * where kind is tcp, lq, or beside: TCP while a listenq listener exists in the same namespace.
 * "floor" is a segment that TCP drops for its checksum: what every packet costs anyway.
 */
#define _GNU_SOURCE
#include "bench.h"

#define SAMPLES 2000
#define WARM_UP 200 /* more, not counted: caches of the kernel's own are filled */
#define ROUNDS (SAMPLES + WARM_UP)

/* --- samples --- */

static uint64_t samples[ROUNDS];

static void report(const char *event, enum kind kind)
{
	const uint64_t middle = median(samples + WARM_UP, SAMPLES); /* now they are sorted */

	printf("%s\t%s\t%llu\t%llu\t%d\n", event, kind_names[kind], (unsigned long long)middle,
	       (unsigned long long)samples[WARM_UP], SAMPLES);
	fflush(stdout);
}

/* --- the events --- */

static void bench_floor(void)
{
	sample_floor(samples, ROUNDS);
	report("floor", TCP);
}

/* Plain, answered by a cookie, or the same one again. */
static void bench_syn(const char *event, enum kind kind, uint16_t port, bool again)
{
	int fd = listener(kind, port, 65535);

	for (int i = 0; i < ROUNDS; i++) {
		struct peer peer = new_peer(port);
		struct packet packet = segment(&peer, SYN, 0, 0);

		samples[i] = inject(&packet);
		synack(&peer);
		if (again) {
			samples[i] = inject(&packet);
			synack(&peer);
		}
	}
	close(fd);
	report(event, kind);
}

static void bench_ack(const char *event, enum kind kind, uint16_t port)
{
	int fd = listener(kind, port, 65535);

	for (int i = 0; i < ROUNDS; i++) {
		struct peer peer = new_peer(port);
		struct packet packet = segment(&peer, SYN, 0, 0);
		uint32_t tsval;

		inject(&packet);
		tsval = synack(&peer);
		packet = segment(&peer, ACK, 0, tsval);
		samples[i] = inject(&packet);
		abandon(accepted(fd));
	}
	close(fd);
	report(event, kind);
}

static void bench_dropped_syn(enum kind kind, uint16_t port)
{
	int fd = listener(kind, port, 0);
	struct packet packet;
	struct peer peer;
	uint32_t tsval;

	/* The "linux" policy lets two more half-open requests in. */
	for (int i = 0; i < 3; i++) {
		peer = new_peer(port);
		packet = segment(&peer, SYN, 0, 0);
		inject(&packet);
		if (i == 0) {
			tsval = synack(&peer);
			packet = segment(&peer, ACK, 0, tsval);
			inject(&packet);
		}
		drain(NULL);
	}
	for (int i = 0; i < ROUNDS; i++) {
		peer = new_peer(port);
		packet = segment(&peer, SYN, 0, 0);
		samples[i] = inject(&packet);
		if (drain(NULL))
			fail("a SYN was not dropped", "");
	}
	close(fd);
	report("syn_dropped", kind);
}

static void bench_accept(const char *event, enum kind kind, uint16_t port)
{
	int fd = listener(kind, port, 65535);

	for (int i = 0; i < ROUNDS; i++) {
		queue_connection(port);
		samples[i] = timed_accept(fd);
	}
	report(event, kind);
	close(fd);
}

static void bench_eagain(enum kind kind, uint16_t port)
{
	int fd = listener(kind, port, 65535);

	for (int i = 0; i < ROUNDS; i++) {
		const uint64_t before = __rdtsc();

		if (accept4(fd, NULL, NULL, SOCK_NONBLOCK) >= 0 || errno != EAGAIN)
			die("accept4 without a connection");
		samples[i] = __rdtsc() - before;
	}
	close(fd);
	report("accept_eagain", kind);
}

static void bench_passive(const char *event, enum kind kind, uint16_t port)
{
	int fd = listener(kind, port, 65535);

	for (int i = 0; i < ROUNDS; i++) {
		struct peer peer = new_peer(port);
		uint32_t tsval;

		samples[i] = shake_hands(&peer, &tsval);
		samples[i] += timed_accept(fd);
	}
	close(fd);
	report(event, kind);
}

static void bench_data(enum kind kind, uint16_t port)
{
	sample_data(samples, ROUNDS, kind, port);
	report("data", kind);
}

static void cookies(bool on)
{
	sysctl("net/ipv4/tcp_syncookies", on ? "2" : "0");
	sysctl("net/listenq/syncookies", on ? "2" : "0");
}

static void bench_kind(enum kind kind)
{
	const uint16_t port = kind == LQ ? 2000 : 1000;

	cookies(false);
	bench_syn("syn", kind, port, false);
	bench_syn("syn_duplicate", kind, port + 1, true);
	bench_ack("ack", kind, port + 2);
	bench_dropped_syn(kind, port + 3);
	bench_accept("accept", kind, port + 4);
	bench_eagain(kind, port + 4);
	bench_passive("passive_connection", kind, port + 5);
	bench_data(kind, port + 6);
	cookies(true);
	bench_syn("syn_cookie", kind, port + 7, false);
	bench_ack("ack_cookie", kind, port + 8);
	cookies(false);
}

/* What plain TCP pays for a neighbour that listens with listenq. */
static void bench_beside(void)
{
	int neighbour = listener(LQ, 3000, 16);

	bench_data(BESIDE, 3001);
	bench_syn("syn", BESIDE, 3002, false);
	close(neighbour);
}

/* Where a memory cgroup pays, as in any service of systemd's and any container. */
static void bench_memcg(void)
{
	command("cd /sys/fs/cgroup && echo +memory >cgroup.subtree_control && mkdir bench && "
		"echo $PPID >bench/cgroup.procs");
	for (enum kind kind = TCP; kind <= LQ; kind++) {
		const uint16_t port = kind == LQ ? 2010 : 1010;

		bench_syn("syn_memcg", kind, port, false);
		bench_accept("accept_memcg", kind, port + 1);
		bench_passive("passive_memcg", kind, port + 2);
	}
}

int main(void)
{
	open_namespace();
	sysctl("net/core/somaxconn", "65535");
	sysctl("net/ipv4/tcp_max_syn_backlog", "1048576");
	sysctl("net/listenq/max_syn_backlog", "1048576");
	sysctl("net/ipv4/tcp_invalid_ratelimit", "0");
	bench_floor();
	bench_kind(TCP);
	bench_kind(LQ);
	bench_beside();
	bench_memcg();
	return 0;
}
