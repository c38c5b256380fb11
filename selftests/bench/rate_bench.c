// SPDX-License-Identifier: GPL-2.0
/*
 * Connections per second that listeners take when every CPU brings some, as ratios to TCP's one
 * listener:
 *
 *	CPU 0: peers of tun0 --SYN, ACK--> \                   / --accept()--> CPU 0
 *	CPU 1: peers of tun1 --SYN, ACK-->  > the listener(s)  > --accept()--> CPU 1
 *	...                                /                   \
 *
 *	tcp		one TCP listener
 *	lq		one listenq listener, one shard
 *	lq_shards	the same with as many shards as CPUs (LQ_SHARDS)
 *	tcp_reuseport	a TCP listener for each CPU (SO_REUSEPORT)
 *	lq_reuseport	a listenq listener for each CPU
 *
 * A thread for each CPU writes segments to a TUN device of its own, where the kernel handles them
 * on that CPU, and accepts what there is, whoever brought it. Time is real and so depends on the
 * machine: the kinds take turns, round by round, and each round's ratio counts.
 *
 *	rate_bench ROUNDS CONNECTIONS
 *
 * Prints "kind TAB connections per second of each round ...". A kind that the module does not know
 * is left out, and told on standard error.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "bench.h"

#define MAX_CPUS 16
#define MAX_ROUNDS 64
#define OPT_SHARDS 9 /* LQ_SHARDS, which not every module has */

enum { ONE, SHARDED, REUSEPORT };
static const struct {
	const char *name;
	enum kind kind;
	int how;
} kinds[] = {
	{ "tcp", TCP, ONE },
	{ "lq", LQ, ONE },
	{ "lq_shards", LQ, SHARDED },
	{ "tcp_reuseport", TCP, REUSEPORT },
	{ "lq_reuseport", LQ, REUSEPORT },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct worker {
	pthread_t thread;
	int cpu, tun, listener;
	uint16_t port;
	uint64_t lost;	   /* SYNs without an answer, in all rounds */
	uint32_t peers;	   /* that there were, in all rounds */
} __attribute__((aligned(128)));

static struct worker workers[MAX_CPUS];
static int cpus;
static pthread_barrier_t barrier;
static atomic_int to_do;      /* connections that nobody has begun yet, this round */
static atomic_int unaccepted; /* that were not accepted yet */

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Peers of 10.0.0.0/15 and up, one range for each CPU. */
static struct peer peer_of(struct worker *w)
{
	const uint32_t n = w->peers++;

	return (struct peer) {
		.addr = (10U << 24 | (uint32_t)w->cpu << 17) + 2 + n / 50000,
		.port = 10000 + n % 50000,
		.to = w->port,
		.seq = 1000,
	};
}

/* Its SYN-ACK, past the resets of connections that were closed; returns whether it came. */
static bool answered(struct peer *peer, uint32_t *tsval)
{
	uint8_t bytes[2048];

	while (read(tun, bytes, sizeof(bytes)) > 0) {
		if (bytes[33] != (SYN | ACK) || get32(bytes + 16) != peer->addr ||
		    (bytes[22] << 8 | bytes[23]) != peer->port)
			continue;
		peer->seq++;
		peer->ack = get32(bytes + 24) + 1;
		*tsval = get32(bytes + 20 + 20 + 8);
		return true;
	}
	return false;
}

static bool accept_one(struct worker *w)
{
	const struct linger linger = { .l_onoff = 1 };
	int child = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK);

	if (child < 0)
		return false;
	/* No TIME_WAIT. */
	setsockopt(child, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(child);
	unaccepted--;
	return true;
}

static void *work(void *data)
{
	struct worker *w = data;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(w->cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
		fail("cannot pin a thread", "");
	tun = w->tun;
	pthread_barrier_wait(&barrier);
	while (to_do-- > 0) {
		struct peer peer = peer_of(w);
		struct packet packet = segment(&peer, SYN, 0, 0);
		uint32_t tsval;

		inject(&packet);
		if (answered(&peer, &tsval)) {
			packet = segment(&peer, ACK, 0, tsval);
			inject(&packet);
		} else {
			w->lost++;
			unaccepted--;
		}
		accept_one(w);
	}
	while (unaccepted > 0)
		accept_one(w);
	drain(NULL);
	return NULL;
}

static int rate_listener(enum kind kind, int how, uint16_t port)
{
	const struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	const int one = 1;
	int fd = kind == LQ ? socket(AF_LISTENQ, SOCK_STREAM | SOCK_NONBLOCK, 0)
			    : socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		die("socket");
	if (how == REUSEPORT && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)))
		die("SO_REUSEPORT");
	if (how == SHARDED && setsockopt(fd, SOL_LISTENQ, OPT_SHARDS, &cpus, sizeof(cpus))) {
		if (errno != ENOPROTOOPT)
			die("LQ_SHARDS");
		close(fd);
		return -1;
	}
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 4096))
		die("listen");
	return fd;
}

/* Connections per second, or below 0: the module does not know this kind. */
static double measure(size_t kind, uint16_t port, int connections)
{
	double begin, taken;
	int fd = -1;

	for (int i = 0; i < cpus; i++) {
		if (i == 0 || kinds[kind].how == REUSEPORT)
			fd = rate_listener(kinds[kind].kind, kinds[kind].how, port);
		if (fd < 0)
			return -1;
		workers[i].listener = fd;
		workers[i].port = port;
	}
	to_do = unaccepted = connections;
	for (int i = 0; i < cpus; i++) {
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			fail("pthread_create", "");
	}
	pthread_barrier_wait(&barrier);
	begin = seconds_now();
	for (int i = 0; i < cpus; i++)
		pthread_join(workers[i].thread, NULL);
	taken = seconds_now() - begin;
	for (int i = 0; i < cpus; i++) {
		if (i == 0 || kinds[kind].how == REUSEPORT)
			close(workers[i].listener);
	}
	return connections / taken;
}

int main(int argc, char **argv)
{
	const struct rlimit files = { .rlim_cur = 65536, .rlim_max = 65536 };
	static double rates[KINDS][MAX_ROUNDS];
	const int rounds = argc == 3 ? atoi(argv[1]) : 0;
	const int connections = argc == 3 ? atoi(argv[2]) : 0;

	if (rounds < 1 || rounds > MAX_ROUNDS || connections < 1) {
		fprintf(stderr, "usage: rate_bench ROUNDS CONNECTIONS\n");
		return 2;
	}
	/*
	 * The kernel patches itself when the first socket of all listens: not here (see --race in
	 * scripts/vm).
	 */
	rate_listener(LQ, ONE, 1);
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > MAX_CPUS)
		cpus = MAX_CPUS;
	if (unshare(CLONE_NEWNET))
		die("unshare");
	setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 0; i < cpus; i++) {
		char name[16], address[32], line[64];

		snprintf(name, sizeof(name), "tun%d", i);
		snprintf(address, sizeof(address), "10.%d.0.1", 2 * i);
		open_tun(name, address);
		/* Without: a CPU that resets a connection would hold up another's SYN-ACK. */
		snprintf(line, sizeof(line), "tc qdisc replace dev %s root noqueue", name);
		command(line);
		workers[i].cpu = i;
		workers[i].tun = tun;
	}
	/* Where all peers send to. */
	command("ip addr add 198.18.0.1/32 dev lo");
	sysctl("net/core/somaxconn", "65535");
	sysctl("net/ipv4/tcp_max_syn_backlog", "65536");
	sysctl("net/listenq/max_syn_backlog", "65536");
	pthread_barrier_init(&barrier, NULL, cpus + 1);

	/* The round before the first fills caches, and does not count. */
	for (int round = -1; round < rounds; round++) {
		for (size_t kind = 0; kind < KINDS; kind++) {
			const double rate = measure(kind, 2000 + kind, connections);

			if (round >= 0)
				rates[kind][round] = rate;
		}
	}
	for (int i = 0; i < cpus; i++) {
		if (workers[i].lost > workers[i].peers / 100)
			fprintf(stderr, "rate_bench: CPU %d: %lu of %u SYNs were not answered\n", i,
				(unsigned long)workers[i].lost, workers[i].peers);
	}
	for (size_t kind = 0; kind < KINDS; kind++) {
		if (rates[kind][0] < 0) {
			fprintf(stderr, "rate_bench: no %s: this module has no LQ_SHARDS\n",
				kinds[kind].name);
			continue;
		}
		printf("%s", kinds[kind].name);
		for (int round = 0; round < rounds; round++)
			printf("\t%.0f", rates[kind][round]);
		printf("\n");
	}
	return 0;
}
