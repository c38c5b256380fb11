/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A segment before it is a socket's: what it says, of either family, and what TCP holds it to.
 * Where @v6 is a constant, the compiler leaves one family's way. skb->data is at the TCP header.
 */
#ifndef LISTENQ_SEGMENT_H
#define LISTENQ_SEGMENT_H

#include <linux/skbuff.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "../bridge/core.h"
#include "../compat/compat.h"

/* What became of a segment that TCP was about to receive. */
enum lq_received {
	LQ_RECEIVED_PASS,  /* nothing yet: TCP's */
	LQ_RECEIVED_DROP,  /* refused: to be freed */
	LQ_RECEIVED_TAKEN, /* it is gone */
};

enum lq_kind { LQ_OTHER, LQ_SYN, LQ_ACK }; /* LQ_ACK: all that may be for a request, but a SYN */

/* Unless it is LQ_OTHER, the whole TCP header is in the linear part, and the checksum good. */
static __always_inline enum lq_kind lq_segment_kind(struct sk_buff *skb, const bool v6)
{
	const struct tcphdr *th;
	bool syn;

	if (skb->pkt_type != PACKET_HOST || !pskb_may_pull(skb, sizeof(*th)))
		return LQ_OTHER;
	th = tcp_hdr(skb);
	syn = th->syn && !th->ack && !th->rst && !th->fin;
	if (th->doff < sizeof(*th) / 4)
		return LQ_OTHER;
	if (!pskb_may_pull(skb, th->doff * 4))
		return LQ_OTHER;
#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		if (skb_checksum_validate(skb, IPPROTO_TCP, ip6_compute_pseudo))
			return LQ_OTHER;
	} else
#endif
	if (skb_checksum_validate(skb, IPPROTO_TCP, inet_compute_pseudo)) {
		return LQ_OTHER;
	}
	return syn ? LQ_SYN : LQ_ACK;
}

static __always_inline u8 lq_segment_dsfield(const struct sk_buff *skb, const bool v6)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (v6)
		return ipv6_get_dsfield(ipv6_hdr(skb));
#endif
	return ipv4_get_dsfield(ip_hdr(skb));
}

/* Of *key all but the interfaces, which are elsewhere once the skb is TCP's. */
static __always_inline void lq_segment_addresses(struct lq_key *key, const struct sk_buff *skb,
						 const bool v6)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		memcpy(&key->addr[0], &ipv6_hdr(skb)->saddr, sizeof(struct in6_addr));
		memcpy(&key->addr[4], &ipv6_hdr(skb)->daddr, sizeof(struct in6_addr));
	} else
#endif
	{
		key->addr[0] = (__force u32)ip_hdr(skb)->saddr;
		key->addr[1] = (__force u32)ip_hdr(skb)->daddr;
	}
	key->peer_port = (__force u16)tcp_hdr(skb)->source;
	key->v6 = v6;
}

/* The key of @skb, whose control block is IP's. */
static __always_inline void lq_segment_key(struct lq_key *key, struct sk_buff *skb, const bool v6)
{
	lq_segment_addresses(key, skb, v6);
#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		key->ifindex = inet6_iif(skb);
		key->l3_ifindex = inet6_sdif(skb);
		return;
	}
#endif
	key->ifindex = inet_iif(skb);
	key->l3_ifindex = inet_sdif(skb);
}

/* The key of @skb, whose control block is TCP's: lq_fill_cb(). */
static inline void lq_segment_key_tcp(struct lq_key *key, struct sk_buff *skb, bool v6)
{
	lq_segment_addresses(key, skb, v6);
#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		key->ifindex = tcp_v6_iif(skb);
		key->l3_ifindex = tcp_v6_sdif(skb);
		return;
	}
#endif
	key->ifindex = inet_iif(skb);
	key->l3_ifindex = tcp_v4_sdif(skb);
}

/*
 * Whether TCP's own check of signatures would stop a segment. Those without options, and those
 * with a timestamp alone as RFC 7323 appendix A has it, are nearly all.
 */
static __always_inline bool lq_segment_signed(const struct tcphdr *th)
{
	const __be32 aligned = htonl(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 | TCPOPT_TIMESTAMP << 8 |
				     TCPOLEN_TIMESTAMP);

	if (th->doff == 5 || (th->doff == 8 && *(const __be32 *)(th + 1) == aligned))
		return false;
	return lq_compat_auth(th) != LQ_AUTH_NONE;
}

/* As tcp_v4_fill_cb() and tcp_v6_fill_cb(): the control block is TCP's now. */
static inline void lq_fill_cb(struct sk_buff *skb, bool v6)
{
	const struct tcphdr *th = tcp_hdr(skb);
	struct tcp_skb_cb *cb = TCP_SKB_CB(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		memmove(&cb->header.h6, IP6CB(skb), sizeof(struct inet6_skb_parm));
		barrier();
		cb->ip_dsfield = ipv6_get_dsfield(ipv6_hdr(skb));
	} else
#endif
	{
		memmove(&cb->header.h4, IPCB(skb), sizeof(struct inet_skb_parm));
		barrier();
		cb->ip_dsfield = ipv4_get_dsfield(ip_hdr(skb));
	}
	cb->seq = ntohl(th->seq);
	cb->end_seq = cb->seq + th->syn + th->fin + skb->len - th->doff * 4;
	cb->ack_seq = ntohl(th->ack_seq);
	cb->tcp_flags = ((const u8 *)th)[13];
	cb->tcp_tw_isn = 0;
	cb->sacked = 0;
	cb->has_rxtstamp = skb->tstamp || skb_hwtstamps(skb)->hwtstamp;
}

/*
 * What TCP holds a segment to before a listener may make a socket of it. It has side effects
 * (programs, the length that a filter leaves), so the core has known the segment for its own before.
 */
bool lq_segment_acceptable(struct sock *sk, struct sk_buff *skb, bool v6);
/* All of @ack but the key from the segment @skb. */
void lq_ack_read(struct lq_ack *ack, const struct sk_buff *skb);
/* It is IP's again, to be passed on after all. */
void lq_restore_cb(struct sk_buff *skb, bool v6);

#endif
