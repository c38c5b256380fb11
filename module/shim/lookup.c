// SPDX-License-Identifier: GPL-2.0
/* The parts of lookup.h that are called rarely enough not to be copied into each caller. */
#include "lookup.h"

bool lq_connection_exists(struct net *net, const struct sk_buff *skb, const struct lq_key *key)
{
	struct sock *sk = lq_connection_get(net, skb, key);

	if (sk)
		sock_gen_put(sk);
	return sk;
}

struct sock *lq_lookup_tcp(struct net *net, struct sk_buff *skb, const struct lq_key *key)
{
	const struct tcphdr *th = tcp_hdr(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (key->v6)
		return inet6_lookup_listener(net, LQ_HASHINFO(net) skb, th->doff * 4,
					     &ipv6_hdr(skb)->saddr, th->source,
					     &ipv6_hdr(skb)->daddr, ntohs(th->dest), key->ifindex,
					     key->l3_ifindex);
#endif
	return __inet_lookup_listener(net, LQ_HASHINFO(net) skb, th->doff * 4, ip_hdr(skb)->saddr,
				      th->source, ip_hdr(skb)->daddr, ntohs(th->dest),
				      key->ifindex, key->l3_ifindex);
}
