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
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/listenq.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <x86intrin.h>

#define SAMPLES 2000
#define WARM_UP 200 /* more, not counted: caches of the kernel's own are filled */
#define ROUNDS (SAMPLES + WARM_UP)
#define LOCAL 0xc6120001 /* 198.18.0.1/15, for benchmarks (RFC 2544) */

enum kind { TCP, LQ, BESIDE };
static const char *const kind_names[] = { "tcp", "lq", "beside" };

static int tun;
static uint32_t next_peer;

static void die(const char *what)
{
	fprintf(stderr, "event_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void sysctl(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die(path);
	close(fd);
}

static void command(const char *line)
{
	if (system(line) != 0) {
		fprintf(stderr, "event_bench: failed: %s\n", line);
		exit(1);
	}
}

/* --- packets --- */

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

struct peer {
	uint32_t addr;
	uint16_t port, to;
	uint32_t seq, ack;
};

struct packet {
	uint8_t bytes[256];
	size_t length;
};

static uint32_t sum16(const uint8_t *p, size_t length, uint32_t sum)
{
	for (; length > 1; p += 2, length -= 2)
		sum += p[0] << 8 | p[1];
	return length ? sum + (p[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* As a Linux client sends it: MSS, SACK, timestamps, window scale on a SYN; else timestamps. */
static struct packet segment(const struct peer *peer, uint8_t flags, size_t data, uint32_t tsecr)
{
	static const uint8_t syn[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0,
				       0, 0, 0, 0, 1, 3, 3, 7 };
	static const uint8_t other[] = { 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0 };
	const size_t options = flags & SYN ? sizeof(syn) : sizeof(other);
	const size_t tcp_length = 20 + options + data;
	struct packet packet = { .length = 20 + tcp_length };
	uint8_t *ip = packet.bytes, *tcp = ip + 20;
	uint32_t sum;

	ip[0] = 0x45;
	put16(ip + 2, packet.length);
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = IPPROTO_TCP;
	put32(ip + 12, peer->addr);
	put32(ip + 16, LOCAL);
	put16(ip + 10, fold(sum16(ip, 20, 0)));
	put16(tcp, peer->port);
	put16(tcp + 2, peer->to);
	put32(tcp + 4, peer->seq);
	put32(tcp + 8, flags & ACK ? peer->ack : 0);
	tcp[12] = (20 + options) / 4 << 4;
	tcp[13] = flags;
	put16(tcp + 14, 64240);
	memcpy(tcp + 20, flags & SYN ? syn : other, options);
	put32(tcp + 20 + (flags & SYN ? 8 : 4), 1000); /* TSval */
	put32(tcp + 20 + (flags & SYN ? 12 : 8), tsecr);
	memset(tcp + 20 + options, 'x', data);
	sum = sum16(ip + 12, 8, IPPROTO_TCP + tcp_length);
	put16(tcp + 16, fold(sum16(tcp, tcp_length, sum)));
	return packet;
}

/* The instructions of one write(). */
static uint64_t inject(const struct packet *packet)
{
	uint64_t before, after;
	ssize_t written;

	before = __rdtsc();
	written = write(tun, packet->bytes, packet->length);
	after = __rdtsc();
	if (written != (ssize_t)packet->length)
		die("write to tun");
	return after - before;
}

/* The last TCP segment that came out, if there was any. */
static bool drain(struct packet *last)
{
	uint8_t bytes[2048];
	bool any = false;
	ssize_t length;

	while ((length = read(tun, bytes, sizeof(bytes))) > 0) {
		if (bytes[0] >> 4 != 4 || bytes[9] != IPPROTO_TCP)
			continue;
		any = true;
		if (last) {
			last->length = length < (ssize_t)sizeof(last->bytes)
					       ? length : (ssize_t)sizeof(last->bytes);
			memcpy(last->bytes, bytes, last->length);
		}
	}
	return any;
}

static struct peer new_peer(uint16_t to)
{
	const uint32_t n = next_peer++;

	return (struct peer) {
		.addr = LOCAL + 1 + n / 50000,
		.port = 10000 + n % 50000,
		.to = to,
		.seq = 1000,
	};
}

/* From an address that never sent anything, below 198.19.255.255. */
static struct peer stranger(uint16_t to)
{
	static uint32_t next;
	struct peer peer = new_peer(to);

	peer.addr = LOCAL + 0x10000 + next++;
	return peer;
}

/* Takes the SYN-ACK; its TSval. */
static uint32_t synack(struct peer *peer)
{
	struct packet got;

	if (!drain(&got) || got.bytes[33] != (SYN | ACK)) {
		fprintf(stderr, "event_bench: no SYN-ACK\n");
		exit(1);
	}
	peer->seq = 1001;
	peer->ack = get32(got.bytes + 24) + 1;
	/* MSS, SACK, timestamps, window scale, in Linux's own order */
	return get32(got.bytes + 20 + 20 + 8);
}

/* --- samples --- */

static uint64_t samples[ROUNDS];

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *event, enum kind kind)
{
	qsort(samples + WARM_UP, SAMPLES, sizeof(samples[0]), compare);
	printf("%s\t%s\t%llu\t%llu\t%d\n", event, kind_names[kind],
	       (unsigned long long)samples[WARM_UP + SAMPLES / 2],
	       (unsigned long long)samples[WARM_UP], SAMPLES);
	fflush(stdout);
}

/* --- sockets --- */

static int listener(enum kind kind, uint16_t port, int backlog)
{
	const struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	const int one = 1;
	int fd = kind == LQ ? socket(AF_LISTENQ, SOCK_STREAM | SOCK_NONBLOCK, 0)
			    : socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) || listen(fd, backlog))
		die("listener");
	return fd;
}

static int accepted(int fd)
{
	int child = accept4(fd, NULL, NULL, SOCK_NONBLOCK);

	if (child < 0)
		die("accept4");
	return child;
}

/* No TIME_WAIT, no FIN: it is gone at once. */
static void abandon(int child)
{
	const struct linger linger = { .l_onoff = 1 };

	setsockopt(child, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(child);
	drain(NULL);
}

static int establish(int fd, struct peer *peer, uint32_t *tsval)
{
	struct packet packet = segment(peer, SYN, 0, 0);

	inject(&packet);
	*tsval = synack(peer);
	packet = segment(peer, ACK, 0, *tsval);
	inject(&packet);
	return accepted(fd);
}

/* --- the events --- */

static void bench_floor(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct peer peer = new_peer(9);
		struct packet packet = segment(&peer, ACK, 0, 0);

		packet.bytes[36] ^= 0x55;
		samples[i] = inject(&packet);
	}
	report("floor", TCP);
}

/* Whose way back nobody remembers. */
static void bench_syn_stranger(enum kind kind, uint16_t port)
{
	int fd = listener(kind, port, 65535);

	for (int i = 0; i < ROUNDS; i++) {
		struct peer peer = stranger(port);
		struct packet packet = segment(&peer, SYN, 0, 0);

		samples[i] = inject(&packet);
		synack(&peer);
	}
	close(fd);
	report("syn_stranger", kind);
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
		if (drain(NULL)) {
			fprintf(stderr, "event_bench: a SYN was not dropped\n");
			exit(1);
		}
	}
	close(fd);
	report("syn_dropped", kind);
}

static void bench_accept(enum kind kind, uint16_t port)
{
	int fd = listener(kind, port, 65535);

	for (int i = 0; i < ROUNDS; i++) {
		struct peer peer = new_peer(port);
		struct packet packet = segment(&peer, SYN, 0, 0);
		uint64_t before;
		uint32_t tsval;
		int child;

		inject(&packet);
		tsval = synack(&peer);
		packet = segment(&peer, ACK, 0, tsval);
		inject(&packet);
		before = __rdtsc();
		child = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
		samples[i] = __rdtsc() - before;
		if (child < 0)
			die("accept4");
		abandon(child);
	}
	report("accept", kind);
	for (int i = 0; i < ROUNDS; i++) {
		const uint64_t before = __rdtsc();

		if (accept4(fd, NULL, NULL, SOCK_NONBLOCK) >= 0 || errno != EAGAIN)
			die("accept4 without a connection");
		samples[i] = __rdtsc() - before;
	}
	close(fd);
	report("accept_eagain", kind);
}

static void bench_passive(enum kind kind, uint16_t port)
{
	int fd = listener(kind, port, 65535);

	for (int i = 0; i < ROUNDS; i++) {
		struct peer peer = new_peer(port);
		struct packet packet = segment(&peer, SYN, 0, 0);
		uint64_t total = inject(&packet), before;
		uint32_t tsval = synack(&peer);
		int child;

		packet = segment(&peer, ACK, 0, tsval);
		total += inject(&packet);
		before = __rdtsc();
		child = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
		samples[i] = total + __rdtsc() - before;
		if (child < 0)
			die("accept4");
		abandon(child);
	}
	close(fd);
	report("passive_connection", kind);
}

static void bench_data(enum kind kind, uint16_t port)
{
	int fd = listener(kind, port, 65535);
	struct peer peer = new_peer(port);
	uint32_t tsval;
	int child = establish(fd, &peer, &tsval);
	char bytes[100];

	for (int i = 0; i < ROUNDS; i++) {
		struct packet packet = segment(&peer, ACK | PSH, sizeof(bytes), tsval);

		samples[i] = inject(&packet);
		peer.seq += sizeof(bytes);
		if (read(child, bytes, sizeof(bytes)) != sizeof(bytes))
			die("data did not come");
		drain(NULL);
	}
	abandon(child);
	close(fd);
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
	bench_syn_stranger(kind, port + 9);
	bench_syn("syn_duplicate", kind, port + 1, true);
	bench_ack("ack", kind, port + 2);
	bench_dropped_syn(kind, port + 3);
	bench_accept(kind, port + 4);
	bench_passive(kind, port + 5);
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

static void open_tun(void)
{
	struct ifreq ifr = { .ifr_name = "tun0", .ifr_flags = IFF_TUN | IFF_NO_PI };

	command("modprobe tun; mkdir -p /dev/net; test -e /dev/net/tun || mknod /dev/net/tun c 10 200");
	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &ifr))
		die("tun");
	command("ip link set lo up && ip addr add 198.18.0.1/15 dev tun0 && "
		"ip link set tun0 up txqueuelen 10000");
}

int main(void)
{
	const struct rlimit files = { .rlim_cur = 65536, .rlim_max = 65536 };

	if (unshare(CLONE_NEWNET))
		die("unshare");
	setrlimit(RLIMIT_NOFILE, &files);
	open_tun();
	sysctl("net/core/somaxconn", "65535");
	sysctl("net/ipv4/tcp_max_syn_backlog", "1048576");
	sysctl("net/listenq/max_syn_backlog", "1048576");
	sysctl("net/ipv4/tcp_invalid_ratelimit", "0");
	bench_floor();
	bench_kind(TCP);
	bench_kind(LQ);
	bench_beside();
	return 0;
}
