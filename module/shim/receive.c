// SPDX-License-Identifier: GPL-2.0
/*
 * Who gets a segment for a port where one of ours listens: one of our
 * listeners, or TCP.
 *
 * First comes TCP's own look for a connection, whose result goes on to TCP with the segment, as
 * early demux would have it: a segment of a connection costs nothing more, and nothing of a listener's.
 *
 * What TCP checks before it lets a segment near a listener is checked here:
 * header, checksum, and, once the core knows the segment for its own, socket filter, IPsec policy,
 * minimum TTL (lq_segment_acceptable()). A segment that fails, and whatever is odd, is left to TCP,
 * which finds the listener and fails it the same way; a SYN comes back by the other door,
 * lq_conn_request().
 * Softirq, RCU; skb->data is at the TCP header.
 */
#include <linux/filter.h>
#include <net/dsfield.h>
#include <net/inet_hashtables.h>
#include <net/inet6_hashtables.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/xfrm.h>

#include "listenq.h"

bool lq_segment_acceptable(struct sock *sk, struct sk_buff *skb, bool v6)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		if (ipv6_hdr(skb)->hop_limit < READ_ONCE(inet6_sk(sk)->min_hopcount) ||
		    !xfrm6_policy_check(sk, XFRM_POLICY_IN, skb))
			return false;
	} else
#endif
	if (ip_hdr(skb)->ttl < READ_ONCE(inet_sk(sk)->min_ttl) ||
	    !xfrm4_policy_check(sk, XFRM_POLICY_IN, skb)) {
		return false;
	}
	return !sk_filter_trim_cap(sk, skb, tcp_hdrlen(skb));
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

enum lq_kind { LQ_OTHER, LQ_SYN, LQ_ACK }; /* LQ_ACK: all that may be for a request, but a SYN */

/* Unless it is LQ_OTHER, the whole TCP header is in the linear part, and the checksum good. */
static __always_inline enum lq_kind lq_segment_kind(struct sk_buff *skb,
						    __wsum (*pseudo)(struct sk_buff *skb, int proto))
{
	const struct tcphdr *th;
	bool syn;

	if (skb->pkt_type != PACKET_HOST || !pskb_may_pull(skb, sizeof(*th)))
		return LQ_OTHER;
	th = tcp_hdr(skb);
	syn = th->syn && !th->ack && !th->rst && !th->fin;
	if (th->doff < sizeof(*th) / 4)
		return LQ_OTHER;
	if (!pskb_may_pull(skb, th->doff * 4) || skb_checksum_validate(skb, IPPROTO_TCP, pseudo))
		return LQ_OTHER;
	return syn ? LQ_SYN : LQ_ACK;
}

/* TCP's own lookup. */
static noinline struct sock *lq_lookup_listener(struct net *net, struct sk_buff *skb,
						const struct lq_key *key)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	const struct tcphdr *th = tcp_hdr(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (key->v6)
		return inet6_lookup_listener(net, hashinfo, skb, th->doff * 4,
					     &ipv6_hdr(skb)->saddr, th->source,
					     &ipv6_hdr(skb)->daddr, ntohs(th->dest), key->ifindex,
					     key->l3_ifindex);
#endif
	return __inet_lookup_listener(net, hashinfo, skb, th->doff * 4, ip_hdr(skb)->saddr,
				      th->source, ip_hdr(skb)->daddr, ntohs(th->dest),
				      key->ifindex, key->l3_ifindex);
}

/* With a reference. */
static __always_inline struct sock *lq_get_established(struct net *net, const struct sk_buff *skb,
						       const struct lq_key *key)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	const struct tcphdr *th = tcp_hdr(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (key->v6)
		return __inet6_lookup_established(net, hashinfo, &ipv6_hdr(skb)->saddr, th->source,
						  &ipv6_hdr(skb)->daddr, ntohs(th->dest),
						  key->ifindex, key->l3_ifindex);
#endif
	return __inet_lookup_established(net, hashinfo, ip_hdr(skb)->saddr, th->source,
					 ip_hdr(skb)->daddr, ntohs(th->dest), key->ifindex,
					 key->l3_ifindex);
}

bool lq_is_established(struct net *net, const struct sk_buff *skb, const struct lq_key *key)
{
	struct sock *sk = lq_get_established(net, skb, key);

	if (sk)
		sock_gen_put(sk);
	return sk;
}

/*
 * Whether @skb is a connection's, a request's of TCP's, or of a pair in TIME_WAIT: tcp_v4_early_demux().
 * That does not run on loopback, in fragments, in tunnels, for all but the first of a batch, or by
 * sysctl. TCP need not look again.
 */
static __always_inline bool lq_demux(struct net *net, struct sk_buff *skb,
				     const struct lq_key *key)
{
	struct sock *sk = lq_get_established(net, skb, key);

	if (!sk)
		return false;
	skb->sk = sk;
	skb->destructor = sock_edemux;
	return true;
}

/* Whether @sk may be asked about segments to the address of @key. */
static __always_inline bool lq_listener_takes(const struct sock *sk, const struct lq_key *key)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (key->v6)
		return sk->sk_family == AF_INET6 &&
		       (ipv6_addr_any(&sk->sk_v6_rcv_saddr) ||
			!memcmp(&sk->sk_v6_rcv_saddr, &key->addr[4], sizeof(struct in6_addr)));
	if (ipv6_only_sock(sk))
		return false;
#endif
	return !inet_sk(sk)->inet_rcv_saddr ||
	       inet_sk(sk)->inet_rcv_saddr == (__force __be32)key->addr[1];
}

/* Those of @list that may be asked about @key: how many, two at most, and one of them. */
static __always_inline u32 lq_some_listeners(struct rhlist_head *list, const struct lq_key *key,
					     u32 count, struct lq_listener **one)
{
	struct rhlist_head *at;
	struct lq_port *port;

	rhl_for_each_entry_rcu(port, at, list, by_place) {
		if (!lq_listener_takes(port->lst->sk, key))
			continue;
		*one = port->lst;
		if (++count == 2)
			break;
	}
	return count;
}

/*
 * The one listener of ours that may be asked about segments for @port; NULL when there is none,
 * or when there are more, which sets *lookup: TCP's own lookup has to choose.
 */
static __always_inline struct lq_listener *lq_only_listener(struct lq_net *lqn, __be16 port,
							    const struct lq_key *key, bool *lookup)
{
	const struct lq_port *alone = lq_ports_alone(&lqn->ports, port);
	struct lq_listener *one = NULL;
	u32 count;

	if (likely(alone)) {
		*lookup = false;
		return lq_listener_takes(alone->lst->sk, key) ? alone->lst : NULL;
	}
	count = lq_some_listeners(lq_ports_any(&lqn->ports, port), key, 0, &one);
	if (count < 2)
		count = lq_some_listeners(lq_ports_particular(&lqn->ports, port, key), key, count,
					  &one);
	*lookup = count == 2;
	return count == 1 ? one : NULL;
}

/*
 * The listener that the ACK selects need not be the one that the SYN selected: one with an address
 * of its own, a member of an SO_REUSEPORT group came or went, or a program chose. The number that
 * the ACK acknowledges says which one sent it.
 */
static noinline enum lq_received lq_ack_try_tagged(struct lq_net *lqn, const struct lq_listener *not,
						   struct sk_buff *skb, struct lq_ack *ack)
{
	const __be16 number = tcp_hdr(skb)->dest;
	const u16 tag = lq_core_isn_tag(&lqn->keys, &ack->key, ack->local_port, ack->ack_seq - 1);
	struct rhlist_head *at;
	enum lq_received result;
	struct lq_port *port;

	rhl_for_each_entry_rcu(port, at, lq_ports_tagged(&lqn->ports, number, tag), by_tag) {
		if (port->lst == not || !lq_listener_takes(port->lst->sk, &ack->key))
			continue;
		if (lq_ack_try(port->lst, skb, ack, false, &result) != LQ_ACK_UNKNOWN)
			return result;
	}
	return LQ_RECEIVED_PASS;
}

static __always_inline struct sock *lq_listener_for(struct lq_net *lqn, struct sk_buff *skb,
						    const struct lq_key *key)
{
	bool lookup;
	struct lq_listener *only = lq_only_listener(lqn, tcp_hdr(skb)->dest, key, &lookup);

	if (only && lq_listener_exclusive(only, key))
		return only->sk;
	return lq_lookup_listener(lqn->net, skb, key);
}

struct sock *lq_find_listener(struct lq_net *lqn, struct sk_buff *skb, const struct lq_key *key)
{
	return lq_listener_for(lqn, skb, key);
}

/*
 * Who may hold the request of the ACK or RST @skb. A request is of one connection, so where only
 * one listener of ours can have it (*only), TCP's lookup would find nothing better.
 */
static __always_inline struct lq_listener *lq_ack_listener(struct lq_net *lqn, struct sk_buff *skb,
							   const struct lq_key *key, bool *only)
{
	struct lq_listener *lst;
	struct sock *sk;
	bool lookup;

	lst = lq_only_listener(lqn, tcp_hdr(skb)->dest, key, &lookup);
	*only = lst;
	if (lst || !lookup)
		return lst;
	sk = lq_lookup_listener(lqn->net, skb, key);
	return sk ? lq_listener_of(sk) : NULL;
}

/*
 * An RST without ACK says nothing of who sent the SYN-ACK: where TCP's lookup has chosen between a
 * listener at the address and one at any, ask the other.
 */
static noinline enum lq_received lq_ack_try_other_place(struct lq_net *lqn,
							const struct lq_listener *not,
							struct sk_buff *skb, struct lq_ack *ack)
{
	const __be16 number = tcp_hdr(skb)->dest;
	struct rhlist_head *const lists[] = {
		lq_ports_any(&lqn->ports, number),
		lq_ports_particular(&lqn->ports, number, &ack->key),
	};
	enum lq_received result;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		struct lq_listener *one = NULL;

		if (lq_some_listeners(lists[i], &ack->key, 0, &one) == 1 && one != not &&
		    lq_ack_try(one, skb, ack, false, &result) != LQ_ACK_UNKNOWN)
			return result;
	}
	return LQ_RECEIVED_PASS;
}

/* @ack: its key is known. */
static __always_inline enum lq_received lq_ack_for(struct lq_net *lqn, struct sk_buff *skb,
						   struct lq_ack *ack)
{
	struct lq_listener *lst;
	enum lq_received result;
	bool only = false;

	/* Transparent proxies and BPF hand over the listener itself. */
	if (skb->sk)
		lst = lq_listener_of(skb->sk);
	else if (lq_demux(lqn->net, skb, &ack->key))
		return LQ_RECEIVED_PASS;
	else
		lst = lq_ack_listener(lqn, skb, &ack->key, &only);
	if (lq_segment_signed(tcp_hdr(skb)))
		return LQ_RECEIVED_PASS;
	lq_ack_read(ack, skb);
	if (lst && lq_ack_try(lst, skb, ack, only, &result) != LQ_ACK_UNKNOWN)
		return result;
	if (only)
		return LQ_RECEIVED_PASS;
	return ack->ack ? lq_ack_try_tagged(lqn, lst, skb, ack)
			: lq_ack_try_other_place(lqn, lst, skb, ack);
}

/* What may belong to another socket is TCP's. @in: its key is known, and all that IP says. */
static __always_inline enum lq_received lq_syn_for(struct lq_net *lqn, struct sk_buff *skb,
						   struct lq_syn_in *in)
{
	const struct lq_key *key = &in->syn.key;
	struct sock *sk = skb->sk;
	struct lq_listener *lst;

	/* A connection of its own, or one in TIME_WAIT. */
	if (!sk && lq_demux(lqn->net, skb, key))
		return LQ_RECEIVED_PASS;
	if (!sk)
		sk = lq_listener_for(lqn, skb, key);
	lst = sk ? lq_listener_of(sk) : NULL;
	if (!lst || !lq_listener_port(lst, tcp_hdr(skb)) ||
	    !lq_segment_acceptable(sk, skb, key->v6))
		return LQ_RECEIVED_PASS;
	__TCP_INC_STATS(lqn->net, TCP_MIB_INSEGS);
	in->skb = skb;
	in->th = tcp_hdr(skb);
	in->tw_isn = 0;
	in->own = true;
	lq_syn_receive(lst, in);
	return LQ_RECEIVED_TAKEN;
}

static __always_inline void lq_key_v4(struct lq_key *key, struct sk_buff *skb)
{
	key->addr[0] = (__force u32)ip_hdr(skb)->saddr;
	key->addr[1] = (__force u32)ip_hdr(skb)->daddr;
	key->ifindex = inet_iif(skb);
	key->l3_ifindex = inet_sdif(skb);
	key->peer_port = (__force u16)tcp_hdr(skb)->source;
	key->v6 = 0;
}

enum lq_received lq_receive_v4(struct lq_net *lqn, struct sk_buff *skb)
{
	struct lq_syn_in in LQ_UNINITIALIZED;
	struct lq_ack ack LQ_UNINITIALIZED;

	switch (lq_segment_kind(skb, inet_compute_pseudo)) {
	case LQ_SYN:
		lq_key_v4(&in.syn.key, skb);
		in.dsfield = ipv4_get_dsfield(ip_hdr(skb));
		in.l3_slave = false;
		return lq_syn_for(lqn, skb, &in);
	case LQ_ACK:
		lq_key_v4(&ack.key, skb);
		return lq_ack_for(lqn, skb, &ack);
	case LQ_OTHER:
		break;
	}
	return LQ_RECEIVED_PASS;
}

#if IS_ENABLED(CONFIG_IPV6)
static __always_inline void lq_key_v6(struct lq_key *key, struct sk_buff *skb)
{
	memcpy(&key->addr[0], &ipv6_hdr(skb)->saddr, sizeof(struct in6_addr));
	memcpy(&key->addr[4], &ipv6_hdr(skb)->daddr, sizeof(struct in6_addr));
	key->ifindex = inet6_iif(skb);
	key->l3_ifindex = inet6_sdif(skb);
	key->peer_port = (__force u16)tcp_hdr(skb)->source;
	key->v6 = 1;
}

enum lq_received lq_receive_v6(struct lq_net *lqn, struct sk_buff *skb)
{
	struct lq_syn_in in LQ_UNINITIALIZED;
	struct lq_ack ack LQ_UNINITIALIZED;

	switch (lq_segment_kind(skb, ip6_compute_pseudo)) {
	case LQ_SYN:
		lq_key_v6(&in.syn.key, skb);
		in.dsfield = ipv6_get_dsfield(ipv6_hdr(skb));
		in.l3_slave = ipv6_l3mdev_skb(IP6CB(skb)->flags);
		return lq_syn_for(lqn, skb, &in);
	case LQ_ACK:
		lq_key_v6(&ack.key, skb);
		return lq_ack_for(lqn, skb, &ack);
	case LQ_OTHER:
		break;
	}
	return LQ_RECEIVED_PASS;
}
#endif
