// SPDX-License-Identifier: GPL-2.0
/*
 * Segments by the million, written to a TUN device that the caller opened:
 *
 *	inject FD 4|6 KIND PORT COUNT SEED
 *
 * from any peers of 10.0.0.0/8 or 2001:db8:a::/48 to port PORT of 192.0.2.1 or 2001:db8::1, the
 * addresses of rawtcp.py. The same SEED makes the same segments, but for what depends on answers.
 *
 *	syn	first SYNs, each from another peer
 *	ack	ACKs of nothing, as if they brought cookies back, each from another peer
 *	rst	RSTs to peers that a run of "syn" with this COUNT and SEED made half-open
 *	any	anything: few peers, all flags, odd options, lengths, checksums, fragments; the answers
 *		are read, so that some go on to the next step
 *
 * Prints how many were written.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIN 1
#define SYN 2
#define RST 4
#define PSH 8
#define ACK 16

#define PEERS 32 /* of "any" */

struct peer {
	uint32_t isn, answered, acked;
	bool known;
};

static uint64_t state;
static struct peer peers[PEERS];

/* xorshift64 */
static uint32_t dice(uint32_t sides)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 32) % sides;
}

static uint32_t sum(const void *data, size_t length, uint32_t total)
{
	const uint8_t *bytes = data;
	size_t i;

	for (i = 0; i + 1 < length; i += 2)
		total += bytes[i] << 8 | bytes[i + 1];
	if (length % 2)
		total += bytes[length - 1] << 8;
	return total;
}

static uint16_t fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return htons(~total & 0xffff);
}

struct segment {
	bool v6;
	uint32_t peer; /* its address */
	uint16_t sport, port, window;
	uint32_t seq, ack;
	uint8_t flags, doff; /* doff 0: as it is */
	uint8_t options[40], data[64];
	size_t options_length, data_length;
	bool bad_checksum, fragment, extension;
	int cut; /* bytes off the end */
};

static void address(bool v6, uint32_t number, uint8_t *out)
{
	const uint32_t v4 = htonl(0x0a000000 | (number & 0xffffff));

	if (!v6) {
		memcpy(out, &v4, 4);
		return;
	}
	memcpy(out, "\x20\x01\x0d\xb8\x00\x0a", 6);
	memset(out + 6, 0, 6);
	memcpy(out + 12, &v4, 4);
}

static size_t tcp(const struct segment *s, const uint8_t *src, const uint8_t *dst, uint8_t *out)
{
	const size_t bytes = s->v6 ? 16 : 4;
	const size_t header = 20 + (s->options_length + 3) / 4 * 4;
	const size_t length = header + s->data_length;
	uint32_t total;
	uint16_t check;

	memset(out, 0, header);
	out[0] = s->sport >> 8;
	out[1] = s->sport;
	out[2] = s->port >> 8;
	out[3] = s->port;
	*(uint32_t *)(out + 4) = htonl(s->seq);
	*(uint32_t *)(out + 8) = htonl(s->ack);
	out[12] = (s->doff ? s->doff : header / 4) << 4;
	out[13] = s->flags;
	out[14] = s->window >> 8;
	out[15] = s->window;
	memcpy(out + 20, s->options, s->options_length);
	memcpy(out + header, s->data, s->data_length);
	total = sum(src, bytes, 0);
	total = sum(dst, bytes, total);
	check = fold(sum(out, length, total + 6 + length));
	if (s->bad_checksum)
		check ^= 0x5555;
	memcpy(out + 16, &check, 2);
	return length;
}

static void emit(int fd, const struct segment *s)
{
	uint8_t packet[256] = {}, src[16], dst[16], *at = packet;
	size_t length;
	uint16_t check;

	address(s->v6, s->peer, src);
	if (s->v6) {
		inet_pton(AF_INET6, "2001:db8::1", dst);
		length = tcp(s, src, dst, packet + 40 + (s->extension ? 8 : 0));
		if (s->extension) {
			packet[40] = 6;
			packet[42] = 1; /* PadN */
			packet[43] = 4;
			length += 8;
		}
		packet[0] = 0x60;
		packet[4] = length >> 8;
		packet[5] = length;
		packet[6] = s->extension ? 0 : 6;
		packet[7] = 64;
		memcpy(packet + 8, src, 16);
		memcpy(packet + 24, dst, 16);
		length += 40;
	} else {
		inet_pton(AF_INET, "192.0.2.1", dst);
		length = 20 + tcp(s, src, dst, packet + 20);
		packet[0] = 0x45;
		packet[2] = length >> 8;
		packet[3] = length;
		packet[6] = s->fragment ? 0x20 : 0x40;
		packet[8] = 64;
		packet[9] = 6;
		memcpy(packet + 12, src, 4);
		memcpy(packet + 16, dst, 4);
		check = fold(sum(packet, 20, 0));
		memcpy(packet + 10, &check, 2);
	}
	while (write(fd, at, length - s->cut) < 0) {
		if (errno == EINVAL && s->cut)
			return; /* too short to be a packet at all */
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
			perror("inject: write");
			exit(1);
		}
	}
}

static const uint8_t common[] = { 2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7 };

/* The n-th peer of a flood: never the same twice, all over the place. */
static void spoof(struct segment *s, uint32_t n, uint32_t seed)
{
	const uint32_t mixed = (n * 2654435761u) ^ (seed * 40503u);

	s->peer = mixed >> 4; /* 24 bits; */
	s->sport = 1024 + (n & 0x7fff);
	s->seq = mixed;
}

static void flood(int fd, struct segment *s, const char *kind, uint32_t count, uint32_t seed)
{
	uint32_t n;

	for (n = 0; n < count; n++) {
		spoof(s, n, seed);
		if (kind[0] == 's') {
			s->flags = SYN;
			memcpy(s->options, common, sizeof(common));
			s->options_length = sizeof(common);
		} else if (kind[0] == 'a') {
			s->flags = ACK;
			s->ack = dice(0xffffffff);
			s->seq = dice(0xffffffff);
		} else {
			s->flags = RST;
			s->seq++; /* exact */
		}
		emit(fd, s);
	}
}

/* What the stack said to our peers since. */
static void listen_to(int fd, bool v6)
{
	uint8_t packet[2048];
	ssize_t got;

	while ((got = read(fd, packet, sizeof(packet))) > 0) {
		const size_t header = v6 ? 40 : 20;
		const uint8_t *tcp = packet + header;
		uint32_t seq, ack;
		unsigned int n;

		if (got < (ssize_t)header + 20 || packet[0] >> 4 != (v6 ? 6 : 4))
			continue;
		n = (tcp[2] << 8 | tcp[3]) - 2000u;
		if (n >= PEERS)
			continue;
		memcpy(&seq, tcp + 4, 4);
		memcpy(&ack, tcp + 8, 4);
		if (tcp[13] & SYN) {
			peers[n].answered = ntohl(seq);
			peers[n].known = true;
		}
		peers[n].acked = ntohl(ack);
	}
}

static const uint8_t often[] = { SYN,	    SYN,	SYN,	   ACK,	     ACK,
				 ACK | PSH, ACK | FIN, RST,	   RST | ACK, SYN | ACK,
				 SYN | FIN, SYN | RST, ACK | SYN | FIN | RST, 0 };

static void any(int fd, struct segment *s)
{
	const unsigned int n = dice(PEERS);
	struct peer *peer = &peers[n];
	size_t i;

	s->peer = n;
	s->sport = 2000 + n;
	s->window = dice(4) ? 64240 : dice(65536);
	s->flags = dice(8) ? often[dice(sizeof(often))] : dice(256);
	if (s->flags == SYN && !dice(4))
		peer->isn = dice(0xffffffff);
	s->seq = peer->isn + !(s->flags & SYN) + (dice(4) ? 0 : dice(70000) - 35000);
	s->ack = peer->known && dice(4) ? peer->answered + 1 : dice(0xffffffff);
	s->doff = dice(16) ? 0 : dice(16);
	s->options_length = 0;
	if (dice(2)) {
		memcpy(s->options, common, sizeof(common));
		s->options_length = sizeof(common);
	} else if (dice(2)) {
		s->options_length = dice(41);
		for (i = 0; i < s->options_length; i++)
			s->options[i] = dice(3) ? dice(256) : dice(12);
	} else if (dice(2)) {
		s->options[0] = 8;
		s->options[1] = 10;
		for (i = 2; i < 10; i++)
			s->options[i] = dice(256);
		s->options_length = 10;
	}
	s->data_length = dice(3) ? 0 : dice(sizeof(s->data));
	s->bad_checksum = !dice(12);
	s->fragment = !dice(30);
	s->extension = !dice(6);
	s->cut = dice(20) ? 0 : dice(30);
	emit(fd, s);
}

int main(int argc, char **argv)
{
	struct segment s = { .window = 64240 };
	uint32_t count, seed, n;
	int fd;

	if (argc != 7) {
		fprintf(stderr, "usage: inject FD 4|6 syn|ack|rst|any PORT COUNT SEED\n");
		return 2;
	}
	fd = atoi(argv[1]);
	s.v6 = argv[2][0] == '6';
	s.port = atoi(argv[4]);
	count = strtoul(argv[5], NULL, 10);
	seed = strtoul(argv[6], NULL, 10);
	state = 88172645463325252ull + seed * 2654435761ull;
	if (strcmp(argv[3], "any")) {
		flood(fd, &s, argv[3], count, seed);
	} else {
		for (n = 0; n < count; n++) {
			listen_to(fd, s.v6);
			any(fd, &s);
		}
	}
	printf("%u\n", count);
	return 0;
}
