/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bridge, second part: pure functions on what segments carry. No call needs a lock, and none
 * knows of a queue.
 */
#ifndef LISTENQ_BRIDGE_SEGMENT_H
#define LISTENQ_BRIDGE_SEGMENT_H

#include "core.h"

#ifdef __cplusplus
extern "C" {
#endif

/* lq_options_config.allow: what the namespace's own TCP sysctls allow. */
#define LQ_ALLOW_TSTAMP 0x01
#define LQ_ALLOW_WSCALE 0x02
#define LQ_ALLOW_SACK 0x04

struct lq_options_config {
	u16 mss_default; /* without an MSS option: 536 (RFC 9293 3.7.1) or 1220 (IPv6) */
	u16 user_mss;	 /* TCP_MAXSEG, 0: none */
	u8 allow;	 /* LQ_ALLOW_* */
};

struct lq_options {
	u32 tsval;
	u32 tsecr;
	u16 mss;    /* after user_mss */
	u8 flags;   /* LQ_REQ_TSTAMP | LQ_REQ_WSCALE | LQ_REQ_SACK, each seen and allowed */
	u8 wscale;  /* 0..14, with LQ_REQ_WSCALE */
	bool is_suspect; /* TCP-MD5 (RFC 2385), TCP-AO (RFC 5925), or malformed: see lq_compat_auth() */
};

/* TCP options of a SYN. @bytes: @length octets after the fixed header, 0..40. */
void lq_core_syn_options(const u8 *bytes, size_t length, const struct lq_options_config *config,
			 struct lq_options *options);

/* The timestamp option of any segment. Returns whether there is one. */
bool lq_core_timestamp(const u8 *bytes, size_t length, u32 *tsval, u32 *tsecr);

/*
 * Initial sequence number (RFC 6528) and timestamp offset (RFC 7323 5.4) of a
 * connection. @local_port in network byte order, @now_ns of a clock that does
 * not go back. The number's low bits carry @tag, below LQ_ISN_TAGS, masked by a
 * hash of the connection: the listener that sent a SYN-ACK is known by its ACK.
 */
#define LQ_ISN_TAGS 1024
struct lq_isn {
	u32 isn;
	u32 ts_off;
};
struct lq_isn lq_core_isn(const struct lq_keys *keys, const struct lq_key *key, u16 local_port,
			  u64 now_ns, u16 tag);
/* The next number from @least on that carries what @isn does: TIME_WAIT's was chosen by TCP. */
u32 lq_core_isn_from(u32 isn, u32 least);
/* The tag that @isn carries, of a connection with these keys. */
u16 lq_core_isn_tag(const struct lq_keys *keys, const struct lq_key *key, u16 local_port, u32 isn);

/*
 * SYN cookies. @request holds what the SYN asked for; lq_core_cookie() sets its
 * snt_isn, mss and ts_off, and returns the TSval to send given the clock's @tsval
 * (with LQ_REQ_TSTAMP). Without timestamps only the MSS survives: the other
 * options are taken out of @request->flags. Call it before the window is
 * chosen.
 */
#define LQ_COOKIE_LIFE_S 192 /* seconds that a cookie is good for, at most; core/syn_cookie.hh */
u32 lq_core_cookie(const struct lq_keys *keys, const struct lq_key *key, u16 local_port,
		   u32 now_s, u32 tsval, struct lq_request *request);

/*
 * What a cookie's ACK brought back in its timestamp @tsecr, the offset already
 * taken off; @allow: LQ_ALLOW_*. Returns false if the peer echoes options that
 * we would not have sent.
 */
bool lq_core_cookie_options(u32 tsecr, u8 allow, struct lq_options *options, bool *ecn);

/* Whether the SYN's ECN wish is granted: tcp_ecn_create_request(), RFC 3168 6.1.1. */
struct lq_ecn {
	bool ece_cwr;	    /* the SYN carries both ECE and CWR */
	bool reserved_bits; /* reserved header bits set */
	bool ect;	    /* its IP header is not Not-ECT */
	bool enabled;	    /* net.ipv4.tcp_ecn or the route's feature */
	bool needed;	    /* the congestion control needs ECN */
};
bool lq_core_ecn(const struct lq_ecn *ecn);

/* Window of the SYN-ACK: tcp_select_initial_window() and RFC 7323 2.3. */
struct lq_window {
	u32 space;	    /* in: bytes of receive buffer open to a window */
	u32 mss;	    /* in: bytes of a segment, options taken off */
	u32 clamp;	    /* in: 0 none; out: largest window */
	u32 space_max;	    /* in: max(tcp_rmem[2], rmem_max) */
	u32 init_segments;  /* in: the route's initrwnd, 0 none */
	u32 window_max;	    /* in: bytes; the first window is no larger */
	bool wscale_ok;	    /* in */
	u8 wscale;	    /* out: 0..14 */
	u32 window;	    /* out: bytes */
};
void lq_core_window(struct lq_window *window);

/*
 * Write the SYN-ACK of @request: TCP header and options. Returns its length,
 * 20..60, a multiple of 4. @local_port in network byte order, @mss what we
 * take, @tsval our clock's value without the offset. @checksum: compute it;
 * otherwise the field holds the pseudo header's sum, for a device to go on from
 * (CHECKSUM_PARTIAL). @out is on a 4-byte boundary.
 */
#define LQ_SYNACK_MAX 60
size_t lq_core_synack(const struct lq_request *request, u16 local_port, u16 mss, u32 tsval,
		      bool checksum, u8 *out);

/*
 * Write the RST that ends @request for a peer that believes it is connected: a TCP header without
 * options, as lq_core_synack(). Returns its length.
 */
#define LQ_RESET_LENGTH 20
size_t lq_core_reset(const struct lq_request *request, u16 local_port, bool checksum, u8 *out);

#ifdef __cplusplus
}
#endif

#endif
