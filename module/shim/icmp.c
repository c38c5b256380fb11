// SPDX-License-Identifier: GPL-2.0
/*
 * An ICMP error quotes a segment that left this host: while anybody listens, our handlers stand
 * before TCP's here, too (hook.c), and look whether it is the SYN-ACK of a request of ours.
 *
 * What becomes of the request is as in tcp_v4_err() and tcp_v6_err(). All other errors are TCP's,
 * and cost those that quote a port where none of ours listens a look at it. Softirq, RCU; of the
 * quoted segment no more than the ports and the sequence number need be there.
 */
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/protocol.h>

#include "../bridge/segment.h"
#include "icmp.h"
#include "listener.h"
#include "net.h"
#include "ports.h"
#include "shard.h"
#include "synack.h"

lq_err_v4 *lq_tcp_err_v4;

static enum lq_unreachable lq_icmp_ask(struct lq_listener *lst, const struct lq_key *key, u32 seq,
				       bool fatal)
{
	struct lq_shard *shard = lq_shard_of(lst, key);
	enum lq_unreachable verdict;
	struct lq_request *freed;

	if (!lq_core_syn_qlen(shard->core))
		return LQ_UNREACHABLE_UNKNOWN;
	spin_lock(&shard->lock);
	verdict = lq_core_unreachable(shard->core, key, seq, fatal, &freed);
	spin_unlock(&shard->lock);

	switch (verdict) {
	case LQ_UNREACHABLE_OUT_OF_WINDOW:
		__NET_INC_STATS(sock_net(lst->sk), LINUX_MIB_OUTOFWINDOWICMPS);
		break;
	case LQ_UNREACHABLE_ENDED:
		lq_request_end(lst, freed, LISTENQ_DROP_REQUEST_UNREACHABLE);
		break;
	case LQ_UNREACHABLE_UNKNOWN:
	case LQ_UNREACHABLE_KEPT:
		break;
	}
	return verdict;
}

/* The listener of @list if it is the only one: which of several is meant nobody can say. */
static struct lq_listener *lq_icmp_only(struct rhlist_head *list)
{
	struct lq_listener *only = NULL;
	struct rhlist_head *at;
	struct lq_port *port;

	rhl_for_each_entry_rcu(port, at, list, by_place) {
		if (only)
			return NULL;
		only = port->lst;
	}
	return only;
}

/*
 * Whether the error is for a request of ours, and dealt with. @th: the quoted header, ours being
 * the source. The number that it quotes says who sent the SYN-ACK; of a wrong number TCP counts
 * that it is wrong, and so do those that are alone at their place.
 */
static bool lq_icmp_ours(struct lq_net *lqn, const struct tcphdr *th, const struct lq_key *key,
			 bool fatal)
{
	const u32 seq = ntohl(th->seq);
	const u16 tag = lq_core_isn_tag(&lqn->keys, key, (__force u16)th->source, seq);
	struct lq_listener *const alone[] = {
		lq_icmp_only(lq_ports_any(&lqn->ports, th->source)),
		lq_icmp_only(lq_ports_particular(&lqn->ports, th->source, key)),
	};
	struct rhlist_head *at;
	struct lq_port *port;
	u32 i;

	rhl_for_each_entry_rcu(port, at, lq_ports_tagged(&lqn->ports, th->source, tag), by_tag) {
		if (lq_icmp_ask(port->lst, key, seq, fatal) != LQ_UNREACHABLE_UNKNOWN)
			return true;
	}
	for (i = 0; i < ARRAY_SIZE(alone); i++) {
		if (alone[i] && lq_icmp_ask(alone[i], key, seq, fatal) != LQ_UNREACHABLE_UNKNOWN)
			return true;
	}
	return false;
}

static bool lq_icmp_fatal_v4(const struct icmphdr *icmph)
{
	switch (icmph->type) {
	case ICMP_PARAMETERPROB:
	case ICMP_TIME_EXCEEDED:
		return true;
	case ICMP_DEST_UNREACH:
		return icmph->code == ICMP_NET_UNREACH || icmph->code == ICMP_HOST_UNREACH;
	}
	return false;
}

int lq_icmp_v4(struct sk_buff *skb, u32 info)
{
	const struct iphdr *iph = (const struct iphdr *)skb->data;
	const struct tcphdr *th = (const struct tcphdr *)(skb->data + iph->ihl * 4);
	struct lq_net *lqn = lq_net_rcu(dev_net(skb->dev));

	if (lq_port_in_use(&lqn->ports, th->source)) {
		const struct lq_key key = {
			.addr = { (__force u32)iph->daddr, (__force u32)iph->saddr },
			.ifindex = inet_iif(skb),
			.peer_port = (__force u16)th->dest,
		};

		if (lq_icmp_ours(lqn, th, &key, lq_icmp_fatal_v4(icmp_hdr(skb))))
			return 0;
	}
	return READ_ONCE(lq_tcp_err_v4)(skb, info);
}

#if IS_ENABLED(CONFIG_IPV6)
lq_err_v6 *lq_tcp_err_v6;

int lq_icmp_v6(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type, u8 code, int offset,
	       __be32 info)
{
	const struct ipv6hdr *hdr = (const struct ipv6hdr *)skb->data;
	const struct tcphdr *th = (const struct tcphdr *)(skb->data + offset);
	struct lq_net *lqn = lq_net_rcu(dev_net(skb->dev));

	if (lq_port_in_use(&lqn->ports, th->source)) {
		struct lq_key key = {
			.ifindex = skb->dev->ifindex,
			.l3_ifindex = inet6_sdif(skb),
			.peer_port = (__force u16)th->dest,
			.v6 = 1,
		};
		int err;

		memcpy(&key.addr[0], &hdr->daddr, sizeof(struct in6_addr));
		memcpy(&key.addr[4], &hdr->saddr, sizeof(struct in6_addr));
		if (lq_icmp_ours(lqn, th, &key, icmpv6_err_convert(type, code, &err)))
			return 0;
	}
	return READ_ONCE(lq_tcp_err_v6)(skb, opt, type, code, offset, info);
}
#endif
