/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the benchmarks share: packets through a TUN device, where the kernel handles them before
 * write() returns, and listeners of TCP and listenq beside each other. Each benchmark is one file.
 */
#ifndef LISTENQ_BENCH_H
#define LISTENQ_BENCH_H

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

#define LOCAL 0xc6120001 /* 198.18.0.1/15, for benchmarks (RFC 2544) */
#define LOCAL6 "2001:2::1" /* likewise, a /48 (RFC 5180) */

enum kind { TCP, LQ, BESIDE };
static const char *const kind_names[] = { "tcp", "lq", "beside" };

/* A thread that injects has its own. */
static __thread int tun;
static __thread uint32_t next_peer;

static inline void __attribute__((noreturn)) fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, what, *why ? ": " : "",
		why);
	exit(1);
}

static inline void __attribute__((noreturn)) die(const char *what)
{
	fail(what, strerror(errno));
}

static inline void sysctl(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die(path);
	close(fd);
}

static inline void command(const char *line)
{
	if (system(line) != 0)
		fail("failed", line);
}

static inline int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static inline uint64_t median(uint64_t *samples, int count)
{
	qsort(samples, count, sizeof(samples[0]), compare);
	return samples[count / 2];
}

/* --- packets --- */

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

struct peer {
	bool v6;
	uint32_t addr;		/* IPv4, host order */
	struct in6_addr addr6;
	uint16_t port, to;	/* host order */
	uint32_t seq, ack;
};

struct packet {
	uint8_t bytes[256];
	size_t length;
};

static inline uint32_t sum16(const uint8_t *p, size_t length, uint32_t sum)
{
	for (; length > 1; p += 2, length -= 2)
		sum += p[0] << 8 | p[1];
	return length ? sum + (p[0] << 8) : sum;
}

static inline uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static inline size_t header_length(bool v6)
{
	return v6 ? 40 : 20;
}

/* IP's header; the sum of TCP's pseudo header. */
static inline uint32_t put_header(struct packet *packet, const struct peer *peer, size_t tcp_length)
{
	uint8_t *ip = packet->bytes;

	if (peer->v6) {
		ip[0] = 0x60;
		put16(ip + 4, tcp_length);
		ip[6] = IPPROTO_TCP;
		ip[7] = 64;
		memcpy(ip + 8, &peer->addr6, 16);
		inet_pton(AF_INET6, LOCAL6, ip + 24);
		return sum16(ip + 8, 32, IPPROTO_TCP + tcp_length);
	}
	ip[0] = 0x45;
	put16(ip + 2, packet->length);
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = IPPROTO_TCP;
	put32(ip + 12, peer->addr);
	put32(ip + 16, LOCAL);
	put16(ip + 10, fold(sum16(ip, 20, 0)));
	return sum16(ip + 12, 8, IPPROTO_TCP + tcp_length);
}

/* As a Linux client sends it: MSS, SACK, timestamps, window scale on a SYN; else timestamps. */
static inline struct packet segment(const struct peer *peer, uint8_t flags, size_t data,
				    uint32_t tsecr)
{
	static const uint8_t syn[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0,
				       0, 0, 0, 0, 1, 3, 3, 7 };
	static const uint8_t other[] = { 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0 };
	const size_t options = flags & SYN ? sizeof(syn) : sizeof(other);
	const size_t tcp_length = 20 + options + data;
	struct packet packet = { .length = header_length(peer->v6) + tcp_length };
	uint8_t *tcp = packet.bytes + header_length(peer->v6);
	uint32_t sum = put_header(&packet, peer, tcp_length);

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
	put16(tcp + 16, fold(sum16(tcp, tcp_length, sum)));
	return packet;
}

/* The instructions of one write(). */
static inline uint64_t inject(const struct packet *packet)
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
static inline bool drain(struct packet *last)
{
	uint8_t bytes[2048];
	bool any = false;
	ssize_t length;

	while ((length = read(tun, bytes, sizeof(bytes))) > 0) {
		if (bytes[bytes[0] >> 4 == 6 ? 6 : 9] != IPPROTO_TCP)
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

static inline struct peer new_peer(uint16_t to)
{
	const uint32_t n = next_peer++;

	return (struct peer) {
		.addr = LOCAL + 1 + n / 50000,
		.port = 10000 + n % 50000,
		.to = to,
		.seq = 1000,
	};
}

/* Takes the SYN-ACK; its TSval. */
static inline uint32_t synack(struct peer *peer)
{
	struct packet got;
	const uint8_t *tcp = got.bytes + header_length(peer->v6);

	if (!drain(&got) || tcp[13] != (SYN | ACK))
		fail("no SYN-ACK", "");
	peer->seq = 1001;
	peer->ack = get32(tcp + 4) + 1;
	/* MSS, SACK, timestamps, window scale, in Linux's own order */
	return get32(tcp + 20 + 8);
}

/* --- sockets --- */

/* At any address, IPv6 and IPv4, if @v6. */
static inline int listener_at(enum kind kind, uint16_t port, int backlog, bool v6)
{
	const struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	const struct sockaddr_in6 addr6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const int family = v6 ? AF_INET6 : AF_INET;
	const int one = 1;
	int fd = kind == LQ ? socket(AF_LISTENQ, SOCK_STREAM | SOCK_NONBLOCK,
				     v6 ? LISTENQ_PROTO_IPV6 : 0)
			    : socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, v6 ? (const struct sockaddr *)&addr6 : (const struct sockaddr *)&addr,
		 v6 ? sizeof(addr6) : sizeof(addr)) ||
	    listen(fd, backlog))
		die("listener");
	return fd;
}

static inline int listener(enum kind kind, uint16_t port, int backlog)
{
	return listener_at(kind, port, backlog, false);
}

static inline int accepted(int fd)
{
	int child = accept4(fd, NULL, NULL, SOCK_NONBLOCK);

	if (child < 0)
		die("accept4");
	return child;
}

/* No TIME_WAIT, no FIN: it is gone at once. */
static inline void abandon(int child)
{
	const struct linger linger = { .l_onoff = 1 };

	setsockopt(child, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(child);
	drain(NULL);
}

/* The instructions of one accept(), whose connection is abandoned. */
static inline uint64_t timed_accept(int fd)
{
	const uint64_t before = __rdtsc();
	const int child = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
	const uint64_t after = __rdtsc();

	if (child < 0)
		die("accept4");
	abandon(child);
	return after - before;
}

/* The handshake, whose connection is not accepted yet; the instructions of its two segments. */
static inline uint64_t shake_hands(struct peer *peer, uint32_t *tsval)
{
	struct packet packet = segment(peer, SYN, 0, 0);
	uint64_t total = inject(&packet);

	*tsval = synack(peer);
	packet = segment(peer, ACK, 0, *tsval);
	return total + inject(&packet);
}

static inline void queue_connection(uint16_t port)
{
	struct peer peer = new_peer(port);
	uint32_t tsval;

	shake_hands(&peer, &tsval);
}

static inline int establish(int fd, struct peer *peer, uint32_t *tsval)
{
	shake_hands(peer, tsval);
	return accepted(fd);
}

/* Data on a connection to a listener at @port, again and again, and read each time. */
static inline void sample_data(uint64_t *samples, int count, enum kind kind, uint16_t port)
{
	const int fd = listener(kind, port, 64);
	struct peer peer = new_peer(port);
	uint32_t tsval;
	const int child = establish(fd, &peer, &tsval);
	char bytes[100];

	for (int i = 0; i < count; i++) {
		struct packet packet = segment(&peer, ACK | PSH, sizeof(bytes), tsval);

		samples[i] = inject(&packet);
		peer.seq += sizeof(bytes);
		if (read(child, bytes, sizeof(bytes)) != sizeof(bytes))
			die("data did not come");
		drain(NULL);
	}
	abandon(child);
	close(fd);
}

/* SYNs, each of another peer, while a listener at @port answers. */
static inline void sample_syns(uint64_t *samples, int count, enum kind kind, uint16_t port)
{
	const int fd = listener(kind, port, 65535);

	for (int i = 0; i < count; i++) {
		struct peer peer = new_peer(port);
		struct packet packet = segment(&peer, SYN, 0, 0);

		samples[i] = inject(&packet);
		synack(&peer);
	}
	close(fd);
}

/* Segments to where nobody is, which TCP drops for their checksum: what any packet costs. */
static inline void sample_floor(uint64_t *samples, int count)
{
	for (int i = 0; i < count; i++) {
		const struct peer peer = new_peer(9);
		struct packet packet = segment(&peer, ACK, 0, 0);

		packet.bytes[36] ^= 0x55;
		samples[i] = inject(&packet);
	}
}

/* @address/15 is ours, and peers are there. */
static inline void open_tun(const char *name, const char *address)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	char line[256];

	command("modprobe tun; mkdir -p /dev/net; "
		"test -e /dev/net/tun || mknod /dev/net/tun c 10 200");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &ifr))
		die("tun");
	snprintf(line, sizeof(line),
		 "ip link set lo up && ip addr add %s/15 dev %s && "
		 "ip link set %s up txqueuelen 10000",
		 address, name, name);
	command(line);
}

/* A namespace of our own, with room for many sockets and a device of peers. */
static inline void open_namespace(void)
{
	const struct rlimit files = { .rlim_cur = 65536, .rlim_max = 65536 };

	if (unshare(CLONE_NEWNET))
		die("unshare");
	setrlimit(RLIMIT_NOFILE, &files);
	open_tun("tun0", "198.18.0.1");
}

#endif
