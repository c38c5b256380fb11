// SPDX-License-Identifier: GPL-2.0
/*
 * What the events of event_bench.c cost with the clients of a public server: each has an address of its
 * own, all come by a gateway, and LAG other handshakes lie between a client's SYN and its ACK, as
 * where a round trip takes time.
 *
 * Scenes: IPv4 and IPv6, and for each
 *
 *	default		a default route is all there is to the clients
 *	table		PREFIXES routes by GATEWAYS gateways, each client in one of them
 *
 * Prints as event_bench.c does, the event as scene/event.
 */
#define _GNU_SOURCE
#include "bench.h"

#define SAMPLES 2000
#define LAG 1024
#define ROUNDS (SAMPLES + LAG) /* the first LAG clients warm up */
#define PREFIXES 1000
#define GATEWAYS 8

static char scene[32];
static bool v6;

static uint64_t syns[ROUNDS], acks[ROUNDS], accepts[ROUNDS], all[ROUNDS];
static struct peer peers[LAG];
static uint32_t tsvals[LAG];

static void report(const char *event, enum kind kind, uint64_t *samples)
{
	const uint64_t middle = median(samples + LAG, SAMPLES); /* now they are sorted */

	printf("%s/%s\t%s\t%llu\t%llu\t%d\n", scene, event, kind_names[kind],
	       (unsigned long long)middle, (unsigned long long)samples[LAG], SAMPLES);
	fflush(stdout);
}

/* From an address that never sent anything, in the next prefix: 10.0.0.0/24 or 2001:db8::/64 the first. */
static struct peer stranger(uint16_t to)
{
	static uint32_t next;
	const uint32_t n = next++, prefix = n % PREFIXES, host = 1 + n / PREFIXES;
	struct peer peer = { .v6 = v6, .port = 10000 + n % 50000, .to = to, .seq = 1000 };

	peer.addr = 10 << 24 | prefix << 8 | host % 256;
	/* Hosts of more than 255 do not come: a run has that many clients of one prefix at most. */
	if (host > 255)
		fail("more clients than addresses", scene);
	inet_pton(AF_INET6, "2001:db8::", &peer.addr6);
	put16(peer.addr6.s6_addr + 6, prefix);
	put16(peer.addr6.s6_addr + 14, host);
	return peer;
}

/* Handshakes, each step LAG clients after the one before; @cookies: the SYN leaves nothing behind. */
static void bench_handshakes(enum kind kind, uint16_t port, bool cookies)
{
	const int fd = listener_at(kind, port, 65535, v6);

	for (int i = 0; i < ROUNDS + LAG; i++) {
		struct peer *peer = &peers[i % LAG];
		const int earlier = i - LAG;
		struct packet packet;
		uint64_t before;
		int child;

		if (earlier >= 0) {
			packet = segment(peer, ACK, 0, tsvals[i % LAG]);
			acks[earlier] = inject(&packet);
			before = __rdtsc();
			child = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
			accepts[earlier] = __rdtsc() - before;
			if (child < 0)
				die("accept4");
			abandon(child);
			all[earlier] = syns[earlier] + acks[earlier] + accepts[earlier];
		}
		*peer = stranger(port);
		packet = segment(peer, SYN, 0, 0);
		before = inject(&packet);
		if (i < ROUNDS)
			syns[i] = before;
		tsvals[i % LAG] = synack(peer);
	}
	close(fd);
	report(cookies ? "syn_cookie" : "syn", kind, syns);
	report(cookies ? "ack_cookie" : "ack", kind, acks);
	if (!cookies) {
		report("accept", kind, accepts);
		report("passive_connection", kind, all);
	}
}

/* A client's SYN again, after those of LAG others. */
static void bench_duplicates(enum kind kind, uint16_t port)
{
	const int fd = listener_at(kind, port, 65535, v6);

	for (int i = 0; i < ROUNDS + LAG; i++) {
		struct peer *peer = &peers[i % LAG];
		struct packet packet;

		if (i >= LAG) {
			peer->seq = 1000;
			packet = segment(peer, SYN, 0, 0);
			syns[i - LAG] = inject(&packet);
			synack(peer);
		}
		*peer = stranger(port);
		packet = segment(peer, SYN, 0, 0);
		inject(&packet);
		synack(peer);
	}
	close(fd);
	report("syn_duplicate", kind, syns);
}

static void bench_dropped(enum kind kind, uint16_t port)
{
	const int fd = listener_at(kind, port, 0, v6);

	/* One connection is the queue of 0. */
	for (int i = 0; i < 1; i++) {
		struct peer peer = stranger(port);
		struct packet packet = segment(&peer, SYN, 0, 0);
		uint32_t tsval;

		inject(&packet);
		tsval = synack(&peer);
		packet = segment(&peer, ACK, 0, tsval);
		inject(&packet);
		drain(NULL);
	}
	for (int i = 0; i < ROUNDS; i++) {
		struct peer peer = stranger(port);
		struct packet packet = segment(&peer, SYN, 0, 0);

		syns[i] = inject(&packet);
		if (drain(NULL))
			fail("a SYN was not dropped", scene);
	}
	close(fd);
	report("syn_dropped", kind, syns);
}

static void set_cookies(bool on)
{
	sysctl("net/ipv4/tcp_syncookies", on ? "2" : "0");
	sysctl("net/listenq/syncookies", on ? "2" : "0");
}

static void bench_scene(const char *routes)
{
	static uint16_t port = 1000;

	snprintf(scene, sizeof(scene), "%s-%s", v6 ? "v6" : "v4", routes);
	for (int i = 0; i < ROUNDS; i++) {
		struct peer peer = stranger(9);
		struct packet packet = segment(&peer, ACK, 0, 0);

		packet.bytes[header_length(v6) + 16] ^= 0x55;
		syns[i] = inject(&packet);
	}
	report("floor", TCP, syns);
	for (enum kind kind = TCP; kind <= LQ; kind++) {
		set_cookies(false);
		bench_handshakes(kind, port++, false);
		bench_duplicates(kind, port++);
		bench_dropped(kind, port++);
		set_cookies(true);
		bench_handshakes(kind, port++, true);
		set_cookies(false);
	}
}

/* PREFIXES routes, in one go. */
static void add_table(void)
{
	FILE *batch = fopen("/tmp/routes", "w");

	if (!batch)
		die("/tmp/routes");
	for (int i = 0; i < PREFIXES; i++) {
		if (v6)
			fprintf(batch, "route add 2001:db8:0:%x::/64 via 2001:2::%x dev tun0\n", i,
				2 + i % GATEWAYS);
		else
			fprintf(batch, "route add 10.%d.%d.0/24 via 198.18.0.%d dev tun0\n",
				i / 256, i % 256, 2 + i % GATEWAYS);
	}
	if (fclose(batch))
		die("/tmp/routes");
	command(v6 ? "ip -6 -batch /tmp/routes" : "ip -4 -batch /tmp/routes");
}

int main(void)
{
	open_namespace();
	sysctl("net/core/somaxconn", "65535");
	sysctl("net/ipv4/tcp_max_syn_backlog", "1048576");
	sysctl("net/listenq/max_syn_backlog", "1048576");
	sysctl("net/ipv4/tcp_invalid_ratelimit", "0");
	command("ip addr add " LOCAL6 "/48 dev tun0 nodad && "
		"ip route add default via 198.18.0.2 dev tun0 && "
		"ip -6 route add default via 2001:2::2 dev tun0");
	for (int family = 0; family < 2; family++) {
		v6 = family;
		bench_scene("default");
		add_table();
		bench_scene("table");
	}
	return 0;
}
