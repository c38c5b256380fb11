// SPDX-License-Identifier: GPL-2.0
/*
 * An ACK or RST arrives: a netfilter hook at LOCAL_IN, the last of all, looks
 * for its request before TCP would.
 *
 * Segments that early demux gave a socket leave at once, and so does every
 * first SYN. What TCP itself checks before it lets an ACK make a socket is checked
 * here: header, checksum, socket filter, IPsec policy, minimum TTL. A segment
 * that fails is passed on: TCP finds the listener and fails it the same way.
 * Softirq, RCU.
 */
#include <linux/filter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/dsfield.h>
#include <net/inet_hashtables.h>
#include <net/inet6_hashtables.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock_reuseport.h>
#include <net/xfrm.h>

#include "listenq.h"
#include "trace.h"

void lq_ack_drop(struct lq_listener *lst, const struct lq_key *key, u8 reason)
{
	struct net *net = sock_net(lst->sk);

	lq_count_drop(net, reason);
	trace_drop(lst, key, reason);
	lq_event_check(lst);
	switch (reason) {
	case LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK:
		NET_INC_STATS(net, LINUX_MIB_LISTENOVERFLOWS);
		tcp_listendrop(lst->sk);
		break;
	case LISTENQ_DROP_ABORT_ON_OVERFLOW:
		NET_INC_STATS(net, LINUX_MIB_LISTENOVERFLOWS);
		NET_INC_STATS(net, LINUX_MIB_EMBRYONICRSTS);
		tcp_listendrop(lst->sk);
		break;
	case LISTENQ_DROP_REQUEST_SYN_IN_WINDOW:
	case LISTENQ_DROP_REQUEST_RESET:
		TCP_INC_STATS(net, TCP_MIB_ATTEMPTFAILS);
		NET_INC_STATS(net, LINUX_MIB_EMBRYONICRSTS);
		break;
	case LISTENQ_DROP_ACK_PAWS:
		NET_INC_STATS(net, LINUX_MIB_PAWSESTABREJECTED);
		break;
	case LISTENQ_DROP_ACK_DEFERRED:
		NET_INC_STATS(net, LINUX_MIB_TCPDEFERACCEPTDROP);
		break;
	}
}

void lq_fill_cb(struct sk_buff *skb, const struct tcphdr *th, const struct lq_ack *ack)
{
	struct tcp_skb_cb *cb = TCP_SKB_CB(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (ack->key.v6) {
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
	cb->seq = ack->seq;
	cb->end_seq = ack->end_seq;
	cb->ack_seq = ack->ack_seq;
	cb->tcp_flags = ((const u8 *)th)[13];
	cb->tcp_tw_isn = 0;
	cb->sacked = 0;
	cb->has_rxtstamp = skb->tstamp || skb_hwtstamps(skb)->hwtstamp;
}

void lq_restore_cb(struct sk_buff *skb, bool v6)
{
	const struct tcp_skb_cb *cb = TCP_SKB_CB(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		memmove(IP6CB(skb), &cb->header.h6, sizeof(struct inet6_skb_parm));
		return;
	}
#endif
	memmove(IPCB(skb), &cb->header.h4, sizeof(struct inet_skb_parm));
}

/* What TCP holds a segment to before a listener may make a socket of it. */
static bool lq_ack_acceptable(struct sock *sk, struct sk_buff *skb, const struct tcphdr *th, bool v6)
{
	if (rcu_access_pointer(sk->sk_filter) && sk_filter_trim_cap(sk, skb, th->doff * 4))
		return false;
#if IS_ENABLED(CONFIG_IPV6)
	if (v6)
		return ipv6_hdr(skb)->hop_limit >= READ_ONCE(inet6_sk(sk)->min_hopcount) &&
		       xfrm6_policy_check(sk, XFRM_POLICY_IN, skb);
#endif
	return ip_hdr(skb)->ttl >= READ_ONCE(inet_sk(sk)->min_ttl) &&
	       xfrm4_policy_check(sk, XFRM_POLICY_IN, skb);
}

/*
 * Ask the core of @lst about the segment. skb->data is at the TCP header.
 * LQ_ACK_UNKNOWN: not its request; otherwise *result is netfilter's verdict.
 */
static enum lq_ack_verdict lq_ack_try(struct lq_listener *lst, struct sk_buff *skb,
				      struct lq_ack *ack, unsigned int *result)
{
	const struct tcphdr *th = tcp_hdr(skb);
	struct lq_promotion promotion;
	union lq_request_copy copy;
	enum lq_ack_verdict verdict;
	struct lq_request *freed;

	spin_lock(&lst->lock);
	verdict = lq_core_ack(lst->core, ack, &copy, &promotion, &freed);
	spin_unlock(&lst->lock);

	if (verdict == LQ_ACK_MAYBE_COOKIE)
		return lq_cookie_try(lst, skb, ack, result);
	if (ack->reason)
		lq_ack_drop(lst, &ack->key, ack->reason);
	*result = NF_DROP;
	switch (verdict) {
	case LQ_ACK_UNKNOWN:
	case LQ_ACK_MAYBE_COOKIE:
	case LQ_ACK_PASS:
		*result = NF_ACCEPT;
		break;
	case LQ_ACK_PROMOTE:
		lq_fill_cb(skb, th, ack);
		*result = lq_child_build(lst, skb, &promotion, ack);
		break;
	case LQ_ACK_COOKIE: /* only lq_core_ack_cookie() says that */
		break;
	case LQ_ACK_CHALLENGE:
		lq_fill_cb(skb, th, ack);
		lq_challenge_send(lst, skb, &copy.request);
		break;
	case LQ_ACK_DROP:
		lq_request_free(freed);
		break;
	case LQ_ACK_REFUSE:
		lq_request_free(freed);
		*result = NF_ACCEPT;
		break;
	}
	return verdict;
}

/*
 * The member of an SO_REUSEPORT group that the ACK selects need not be the one
 * that the SYN selected: a member came or went, or a program chose.
 */
static unsigned int lq_ack_try_group(struct sock *sk, struct sk_buff *skb, struct lq_ack *ack)
{
	const struct sock_reuseport *group = rcu_dereference(sk->sk_reuseport_cb);
	unsigned int result;
	u16 i;

	if (!group)
		return NF_ACCEPT;
	for (i = 0; i < READ_ONCE(group->num_socks); i++) {
		struct sock *member = READ_ONCE(group->socks[i]);
		struct lq_listener *lst;

		if (!member || member == sk)
			continue;
		lst = lq_listener_of(member);
		if (lst && lq_ack_try(lst, skb, ack, &result) != LQ_ACK_UNKNOWN)
			return result;
	}
	return NF_ACCEPT;
}

static void lq_ack_read(struct lq_ack *ack, const struct sk_buff *skb, const struct tcphdr *th)
{
	ack->local_port = (__force u16)th->dest;
	ack->key.peer_port = (__force u16)th->source;
	ack->seq = ntohl(th->seq);
	ack->end_seq = ack->seq + th->syn + th->fin + skb->len - th->doff * 4;
	ack->ack_seq = ntohl(th->ack_seq);
	ack->ack = th->ack;
	ack->rst = th->rst;
	ack->syn = th->syn;
	ack->saw_tstamp = lq_core_timestamp((const u8 *)(th + 1), th->doff * 4 - sizeof(*th),
					    &ack->tsval, &ack->tsecr);
	ack->now = lq_now();
	ack->now_s = lq_now_s();
}

/* @sk listens at the segment's address. skb->data is at the TCP header. */
static unsigned int lq_ack_for(struct sock *sk, struct sk_buff *skb, struct lq_ack *ack)
{
	const struct tcphdr *th = tcp_hdr(skb);
	struct lq_listener *lst;
	unsigned int result;

	lst = lq_listener_of(sk);
	if (!lst && !rcu_access_pointer(sk->sk_reuseport_cb))
		return NF_ACCEPT;
	if (!lq_ack_acceptable(sk, skb, th, ack->key.v6))
		return NF_ACCEPT;
	th = tcp_hdr(skb); /* a filter may have moved it */
	lq_ack_read(ack, skb, th);
	if (lst && lq_ack_try(lst, skb, ack, &result) != LQ_ACK_UNKNOWN)
		return result;
	return lq_ack_try_group(sk, skb, ack);
}

/* Most segments end here: with a socket, or as a connection's SYN. Otherwise the listener, or NULL. */
static bool lq_ack_candidate(struct sk_buff *skb, unsigned int offset, struct sock **assigned)
{
	const struct tcphdr *th;

	*assigned = NULL;
	if (skb->sk) {
		/* Transparent proxies and BPF hand over the listener itself. */
		if (skb->sk->sk_state != TCP_LISTEN)
			return false;
		*assigned = skb->sk;
	}
	if (skb->pkt_type != PACKET_HOST || !pskb_may_pull(skb, offset + sizeof(*th)))
		return false;
	th = (const struct tcphdr *)(skb->data + offset);
	if (!(th->ack || th->rst) || th->doff < sizeof(*th) / 4)
		return false;
	return pskb_may_pull(skb, offset + th->doff * 4);
}

static unsigned int lq_hook_v4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	const unsigned int offset = ip_hdrlen(skb);
	struct net *net = state->net;
	const struct tcphdr *th;
	const struct iphdr *iph;
	struct lq_ack ack = {};
	unsigned int result;
	struct sock *sk;

	if (ip_hdr(skb)->protocol != IPPROTO_TCP || !lq_ack_candidate(skb, offset, &sk))
		return NF_ACCEPT;
	/* Listener lookup may run BPF programs that expect data at the TCP header. */
	__skb_pull(skb, offset);
	skb_reset_transport_header(skb);
	iph = ip_hdr(skb);
	th = tcp_hdr(skb);
	ack.key.addr[0] = (__force u32)iph->saddr;
	ack.key.addr[1] = (__force u32)iph->daddr;
	ack.key.ifindex = inet_iif(skb);
	ack.key.l3_ifindex = inet_sdif(skb);
	if (!sk)
		sk = __inet_lookup_listener(net, net->ipv4.tcp_death_row.hashinfo, skb,
					    th->doff * 4, iph->saddr, th->source, iph->daddr,
					    ntohs(th->dest), ack.key.ifindex, ack.key.l3_ifindex);
	__skb_push(skb, offset);
	if (!sk || nf_checksum(skb, NF_INET_LOCAL_IN, offset, IPPROTO_TCP, AF_INET))
		return NF_ACCEPT;
	__skb_pull(skb, offset);
	result = lq_ack_for(sk, skb, &ack);
	if (result != NF_STOLEN)
		__skb_push(skb, skb->data - skb_network_header(skb));
	return result;
}

#if IS_ENABLED(CONFIG_IPV6)
static unsigned int lq_hook_v6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct net *net = state->net;
	const struct ipv6hdr *hdr;
	const struct tcphdr *th;
	struct lq_ack ack = {};
	unsigned int result;
	int offset, transport;
	__be16 fragment;
	struct sock *sk;
	u8 protocol;

	protocol = ipv6_hdr(skb)->nexthdr;
	offset = sizeof(struct ipv6hdr);
	if (protocol != IPPROTO_TCP) {
		offset = ipv6_skip_exthdr(skb, offset, &protocol, &fragment);
		if (offset < 0 || protocol != IPPROTO_TCP || fragment)
			return NF_ACCEPT;
	}
	if (!lq_ack_candidate(skb, offset, &sk))
		return NF_ACCEPT;
	/* The input path walks the extension headers from where this points. */
	transport = skb_transport_offset(skb);
	skb_set_transport_header(skb, offset);
	__skb_pull(skb, offset);
	hdr = ipv6_hdr(skb);
	th = tcp_hdr(skb);
	ack.key.v6 = 1;
	memcpy(&ack.key.addr[0], &hdr->saddr, sizeof(struct in6_addr));
	memcpy(&ack.key.addr[4], &hdr->daddr, sizeof(struct in6_addr));
	ack.key.ifindex = inet6_iif(skb);
	ack.key.l3_ifindex = inet6_sdif(skb);
	if (!sk)
		sk = inet6_lookup_listener(net, net->ipv4.tcp_death_row.hashinfo, skb,
					   th->doff * 4, &hdr->saddr, th->source, &hdr->daddr,
					   ntohs(th->dest), ack.key.ifindex, ack.key.l3_ifindex);
	__skb_push(skb, offset);
	if (!sk || nf_checksum(skb, NF_INET_LOCAL_IN, offset, IPPROTO_TCP, AF_INET6))
		goto pass;
	__skb_pull(skb, offset);
	result = lq_ack_for(sk, skb, &ack);
	if (result == NF_STOLEN)
		return result;
	__skb_push(skb, skb->data - skb_network_header(skb));
	if (result != NF_ACCEPT)
		return result;
pass:
	skb_set_transport_header(skb, transport);
	return NF_ACCEPT;
}
#endif

static const struct nf_hook_ops lq_hooks[] = {
	{
		.hook = lq_hook_v4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP_PRI_LAST,
	},
#if IS_ENABLED(CONFIG_IPV6)
	{
		.hook = lq_hook_v6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP6_PRI_LAST,
	},
#endif
};

int lq_hooks_get(struct net *net)
{
	struct lq_net *lqn = lq_net(net);
	int err = 0;

	mutex_lock(&lqn->hook_mutex);
	if (lqn->hook_users == 0)
		err = nf_register_net_hooks(net, lq_hooks, ARRAY_SIZE(lq_hooks));
	if (!err)
		lqn->hook_users++;
	mutex_unlock(&lqn->hook_mutex);
	return err;
}

void lq_hooks_put(struct net *net)
{
	struct lq_net *lqn = lq_net(net);

	mutex_lock(&lqn->hook_mutex);
	if (--lqn->hook_users == 0)
		nf_unregister_net_hooks(net, lq_hooks, ARRAY_SIZE(lq_hooks));
	mutex_unlock(&lqn->hook_mutex);
}
