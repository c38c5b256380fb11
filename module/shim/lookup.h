/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who a segment is for: a connection, by TCP's table; a listener, by our tables, or by TCP's lookup
 * where several may be meant. Softirq, RCU; skb->data is at the TCP header.
 */
#ifndef LISTENQ_LOOKUP_H
#define LISTENQ_LOOKUP_H

#include <net/inet_hashtables.h>
#include <net/inet6_hashtables.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "../compat/compat.h"
#include "listener.h"

/* --- connections --- */

/* The connection of @skb, a request of TCP's, or a pair in TIME_WAIT, with a reference; or NULL. */
static __always_inline struct sock *lq_connection_get(struct net *net, const struct sk_buff *skb,
						      const struct lq_key *key)
{
	const struct tcphdr *th = tcp_hdr(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (key->v6)
		return __inet6_lookup_established(net, LQ_HASHINFO(net) &ipv6_hdr(skb)->saddr, th->source,
						  &ipv6_hdr(skb)->daddr, ntohs(th->dest),
						  key->ifindex, key->l3_ifindex);
#endif
	return __inet_lookup_established(net, LQ_HASHINFO(net) ip_hdr(skb)->saddr, th->source,
					 ip_hdr(skb)->daddr, ntohs(th->dest), key->ifindex,
					 key->l3_ifindex);
}

/* Whether there is a connection, a request of TCP's, or a pair in TIME_WAIT. */
bool lq_connection_exists(struct net *net, const struct sk_buff *skb, const struct lq_key *key);

/*
 * The same, and @skb has its socket from here on: tcp_v4_early_demux(), which does not run on
 * loopback, in fragments, in tunnels, for all but the first of a batch, or by sysctl. TCP need not
 * look again.
 */
static __always_inline bool lq_connection_demux(struct net *net, struct sk_buff *skb,
						const struct lq_key *key)
{
	struct sock *sk = lq_connection_get(net, skb, key);

	if (!sk)
		return false;
	skb->sk = sk;
	skb->destructor = sock_edemux;
	return true;
}

/* --- listeners --- */

/* Whether @sk may be asked about segments to the address of @key. */
static __always_inline bool lq_listens_at(const struct sock *sk, const struct lq_key *key)
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

/*
 * The listeners of @list that may be asked about @key are added to @count, up to two; *last is
 * the last of them.
 */
static __always_inline u32 lq_lookup_count(struct rhlist_head *list, const struct lq_key *key,
					   u32 count, struct lq_listener **last)
{
	struct rhlist_head *at;
	struct lq_port *port;

	rhl_for_each_entry_rcu(port, at, list, by_place) {
		if (!lq_listens_at(port->lst->sk, key))
			continue;
		*last = port->lst;
		if (++count == 2)
			break;
	}
	return count;
}

/*
 * The only listener of ours that may be asked about segments for @port; NULL when there is none,
 * or when there are *several: TCP's lookup has to choose.
 */
static __always_inline struct lq_listener *lq_lookup_ours(struct lq_net *lqn, __be16 port,
							  const struct lq_key *key, bool *several)
{
	const struct lq_port *alone = lq_ports_alone(&lqn->ports, port);
	struct lq_listener *last = NULL;
	u32 count;

	if (likely(alone)) {
		*several = false;
		return lq_listens_at(alone->lst->sk, key) ? alone->lst : NULL;
	}
	count = lq_lookup_count(lq_ports_any(&lqn->ports, port), key, 0, &last);
	if (count < 2)
		count = lq_lookup_count(lq_ports_particular(&lqn->ports, port, key), key, count,
					&last);
	*several = count == 2;
	return count == 1 ? last : NULL;
}

/* The listening sock by TCP's own lookup, which may run programs; or NULL. */
struct sock *lq_lookup_tcp(struct net *net, struct sk_buff *skb, const struct lq_key *key);

/*
 * Whether @lst, the only one of ours that may be asked about a segment with @key, is the one that
 * TCP's lookup would find: bind() lets nobody else onto its address and port, and no program
 * chooses. (SO_REUSEPORT lets others on, and is not to be taken back once they are there.)
 */
static inline bool lq_listener_exclusive(const struct lq_listener *lst, const struct lq_key *key)
{
	const struct sock *sk = lst->sk;

	return READ_ONCE(lst->serving) && !sk->sk_reuseport &&
	       !rcu_access_pointer(sk->sk_reuseport_cb) && !READ_ONCE(sk->sk_bound_dev_if) &&
	       !key->l3_ifindex && !static_branch_unlikely(&bpf_sk_lookup_enabled);
}

/* The listening sock that TCP would give @skb to, ours or not; or NULL. */
static __always_inline struct sock *lq_lookup_listener(struct lq_net *lqn, struct sk_buff *skb,
						       const struct lq_key *key)
{
	bool several;
	struct lq_listener *lst = lq_lookup_ours(lqn, tcp_hdr(skb)->dest, key, &several);

	if (lst && lq_listener_exclusive(lst, key))
		return lst->sk;
	return lq_lookup_tcp(lqn->net, skb, key);
}

/*
 * Who may hold the request of the ACK or RST @skb, or NULL. A request is of one connection, so
 * where *only one listener of ours can have it, TCP's lookup would find nothing better.
 */
static __always_inline struct lq_listener *lq_lookup_holder(struct lq_net *lqn,
							    struct sk_buff *skb,
							    const struct lq_key *key, bool *only)
{
	bool several;
	struct lq_listener *lst = lq_lookup_ours(lqn, tcp_hdr(skb)->dest, key, &several);
	struct sock *sk;

	*only = lst;
	if (lst || !several)
		return lst;
	sk = lq_lookup_tcp(lqn->net, skb, key);
	return sk ? lq_listener_of(sk) : NULL;
}

#endif
