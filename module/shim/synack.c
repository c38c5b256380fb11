// SPDX-License-Identifier: GPL-2.0
/*
 * Sends a SYN-ACK, the first or a later one, the challenge ACK that answers a segment out of the
 * window, and RST. Softirq, RCU; no lock is held.
 */
#include <net/dsfield.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/inet6_connection_sock.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "../bridge/segment.h"
#include "../compat/compat.h"
#include "clock.h"
#include "drop.h"
#include "handshake.h"
#include "listener.h"
#include "request.h"
#include "route.h"
#include "shard.h"
#include "synack.h"
#include "trace.h"

/* tcp_reflect_tos: the SYN's DS field with the listener's ECN bits. */
static u8 lq_synack_tos(const struct sock *sk, const struct lq_request *request, u8 own)
{
	if (READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_reflect_tos))
		return (request->syn_tos & ~INET_ECN_MASK) | (own & INET_ECN_MASK);
	return own;
}

/*
 * skb_set_owner_edemux() of net/core/sock.c. A listener that just closed has no reference
 * left to take, not even skb_set_owner_w()'s: its last SYN-ACK belongs to nobody.
 */
static void lq_synack_set_owner(struct sk_buff *skb, struct sock *sk)
{
	if (refcount_inc_not_zero(&sk->sk_refcnt)) {
		skb->sk = sk;
		skb->destructor = sock_edemux;
	}
}

/*
 * Whether a SYN-ACK fits into the buffer that its SYN came in, and nobody else
 * looks at that: no clone, no second reference, no fragments.
 */
static bool lq_skb_reusable(struct sk_buff *skb, unsigned int size)
{
	return !skb_cloned(skb) && !skb_shared(skb) && !skb_is_nonlinear(skb) &&
	       !skb_has_frag_list(skb) && !skb_pfmemalloc(skb) && !skb_zcopy(skb) &&
	       !skb->destructor && skb->fclone == SKB_FCLONE_UNAVAILABLE &&
	       skb_end_offset(skb) >= size;
}

/* Make @skb what alloc_skb() would have returned, in the same memory. */
static void lq_skb_reuse(struct sk_buff *skb)
{
	const bool head_frag = skb->head_frag, pp_recycle = skb->pp_recycle;

	skb_dst_drop(skb);
	nf_reset_ct(skb);
	skb_ext_reset(skb);
	/* What lies behind is the buffer's. */
	memset(skb, 0, offsetof(struct sk_buff, tail));
	skb->head_frag = head_frag;
	skb->pp_recycle = pp_recycle;
	skb->mac_header = (typeof(skb->mac_header))~0U;
	skb->transport_header = (typeof(skb->transport_header))~0U;
	skb->data = skb->head;
	skb_reset_tail_pointer(skb);
	memset(skb_shinfo(skb), 0, offsetof(struct skb_shared_info, dataref));
}

/* Room for a SYN-ACK and all headers below it, in @from if possible; NULL without memory. */
static struct sk_buff *lq_synack_alloc(struct sk_buff *from, const struct dst_entry *dst, bool v6)
{
	/* ip6_xmit() wants 8 bytes for a jumbogram's option in any case. */
	const unsigned int room = LL_RESERVED_SPACE(dst->dev) + dst->header_len +
				  (v6 ? sizeof(struct ipv6hdr) + 8 : sizeof(struct iphdr));

	if (from && lq_skb_reusable(from, room + LQ_SYNACK_MAX)) {
		lq_skb_reuse(from);
		skb_reserve(from, room);
		return from;
	}
	if (from)
		consume_skb(from);
	from = alloc_skb(MAX_TCP_HEADER, GFP_ATOMIC);
	if (likely(from))
		skb_reserve(from, MAX_TCP_HEADER - LQ_SYNACK_MAX);
	return from;
}

/*
 * The TCP header, of a SYN-ACK or of the RST that ends @request, in an skb of its own, on its way by
 * @route; or NULL without memory.
 */
static __always_inline struct sk_buff *lq_synack_build(struct sock *sk,
						       const struct lq_request *request,
						       struct lq_route *route, bool reset,
						       u32 tsval, struct sk_buff *from)
{
	const u16 local = (__force u16)inet_sk(sk)->inet_sport;
	const bool v6 = request->flags & LQ_REQ_V6;
	struct sk_buff *skb = lq_synack_alloc(from, route->dst, v6);
	bool offload;
	size_t length;

	if (unlikely(!skb))
		return NULL;
	offload = route->dst->dev->features & (NETIF_F_HW_CSUM | (v6 ? NETIF_F_IPV6_CSUM
								     : NETIF_F_IP_CSUM));
	lq_synack_set_owner(skb, sk);
	skb_set_hash(skb, lq_request_tx_hash(sk, request), PKT_HASH_TYPE_L4);
	skb->mark = request->mark ? : READ_ONCE(sk->sk_mark);
	length = reset ? lq_core_reset(request, local, !offload, skb->data)
		       : lq_core_synack(request, local, lq_synack_mss(sk, route), tsval, !offload,
					skb->data);
	skb_put(skb, length);
	skb_reset_transport_header(skb);
	if (offload) {
		skb->ip_summed = CHECKSUM_PARTIAL;
		skb->csum_start = skb_transport_header(skb) - skb->head;
		skb->csum_offset = offsetof(struct tcphdr, check);
	}
	if (route->owned)
		skb_dst_set(skb, route->dst);
	else
		skb_dst_set_noref(skb, route->dst);
	route->owned = false;
	return skb;
}

/* ip_build_and_send_pkt(), for a segment too small to be fragmented. */
static void lq_synack_send_v4(struct sock *sk, const struct lq_request *request,
			      struct sk_buff *skb)
{
	struct iphdr *iph = skb_push(skb, sizeof(*iph));

	skb_reset_network_header(skb);
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = lq_synack_tos(sk, request, READ_ONCE(inet_sk(sk)->tos));
	iph->id = 0;
	iph->frag_off = htons(IP_DF);
	iph->ttl = READ_ONCE(inet_sk(sk)->uc_ttl) < 0 ? ip4_dst_hoplimit(skb_dst(skb))
						       : READ_ONCE(inet_sk(sk)->uc_ttl);
	iph->protocol = IPPROTO_TCP;
	iph->saddr = (__force __be32)request->addr[1];
	iph->daddr = (__force __be32)request->addr[0];
	skb->priority = READ_ONCE(sk->sk_priority);
	ip_local_out(sock_net(sk), sk, skb);
}

#if IS_ENABLED(CONFIG_IPV6)
static void lq_synack_send_v6(struct sock *sk, const struct lq_request *request, __be32 flowlabel,
			      struct sk_buff *skb)
{
	const struct ipv6_pinfo *np = inet6_sk(sk);
	const u8 *addresses = lq_request_addresses(request);
	struct flowi6 fl6 = { .flowi6_proto = IPPROTO_TCP, .flowlabel = flowlabel };

	memcpy(&fl6.daddr, addresses, sizeof(fl6.daddr));
	memcpy(&fl6.saddr, addresses + sizeof(fl6.daddr), sizeof(fl6.saddr));
	ip6_xmit(sk, skb, &fl6, skb->mark, rcu_dereference(np->opt),
		 lq_synack_tos(sk, request, np->tclass), READ_ONCE(sk->sk_priority));
}
#endif

void lq_synack_unsent(struct lq_shard *shard, u8 as)
{
	spin_lock(&shard->lock);
	lq_core_synack_unsent(shard->core, as);
	spin_unlock(&shard->lock);
}

bool lq_synack_send(struct lq_listener *lst, const struct lq_request *request,
		    struct lq_route *route, u32 tsval, struct sk_buff *from, bool retransmission)
{
	struct sock *sk = lst->sk;
	struct net *net = sock_net(sk);
	struct lq_route found;
	struct sk_buff *skb;
#if IS_ENABLED(CONFIG_IPV6)
	__be32 flowlabel = 0;

	/* Nothing keeps the label: what the timer sends has one of its own. */
	if (from && request->flags & LQ_REQ_V6 && lq_compat_reflects_flow(sk))
		flowlabel = ip6_flowlabel(ipv6_hdr(from));
#endif
	if (!route) {
		route = &found;
		if (!lq_route_find(lst, request, from, route)) {
			kfree_skb(from);
			return false;
		}
	}
	skb = lq_synack_build(sk, request, route, false, tsval, from);
	if (!skb) {
		lq_route_put(route);
		return false;
	}
#if IS_ENABLED(CONFIG_IPV6)
	if (request->flags & LQ_REQ_V6)
		lq_synack_send_v6(sk, request, flowlabel, skb);
	else
#endif
		lq_synack_send_v4(sk, request, skb);

	TCP_INC_STATS(net, TCP_MIB_OUTSEGS);
	if (retransmission) {
		TCP_INC_STATS(net, TCP_MIB_RETRANSSEGS);
		NET_INC_STATS(net, LINUX_MIB_TCPSYNRETRANS);
	}
	lq_listener_event(lst, LISTENQ_EVENT_SYNACK_SENT);
	trace_synack(lst, request);
	return true;
}

void lq_synack_repeat(struct lq_shard *shard, const struct lq_request *request,
		      struct sk_buff *from)
{
	struct lq_listener *lst = shard->lst;

	lq_listener_event(lst, LISTENQ_EVENT_SYN_DUPLICATE);
	if (!lq_synack_send(lst, request, NULL, lq_tsval(ktime_get_ns()), from, true))
		lq_synack_unsent(shard, LISTENQ_EVENT_SYNACK_SENT);
}

/* RST to the peer of @request, of which TCP has nothing. Best effort: nobody sends it again. */
static noinline void lq_reset_peer(struct lq_listener *lst, const struct lq_request *request)
{
	struct net *net = sock_net(lst->sk);
	struct lq_route route;
	struct sk_buff *skb;

	if (!lq_route_find(lst, request, false, &route))
		return;
	skb = lq_synack_build(lst->sk, request, &route, true, 0, NULL);
	if (!skb) {
		lq_route_put(&route);
		return;
	}
#if IS_ENABLED(CONFIG_IPV6)
	if (request->flags & LQ_REQ_V6)
		lq_synack_send_v6(lst->sk, request, 0, skb);
	else
#endif
		lq_synack_send_v4(lst->sk, request, skb);
	TCP_INC_STATS(net, TCP_MIB_OUTSEGS);
	TCP_INC_STATS(net, TCP_MIB_OUTRSTS);
}

void lq_request_end(struct lq_listener *lst, struct lq_request *request, u8 reason)
{
	if (lq_core_owes_reset(request, READ_ONCE(lst->lqn->sysctls.reset_acked)))
		lq_reset_peer(lst, request);
	lq_drop_request(lst, request, reason);
}

void lq_reset_send(struct lq_listener *lst, struct sk_buff *skb, bool v6)
{
	lq_compat_send_reset(v6 ? lst->sk->sk_prot->rsk_prot : tcp_prot.rsk_prot, lst->sk, skb);
}

void lq_challenge_send(struct lq_listener *lst, struct sk_buff *skb,
		       const struct lq_request *request)
{
	struct tcp_request_sock treq LQ_UNINITIALIZED;

	lq_request_view_tcp(&treq, lst, request);
	treq.req.req.rsk_ops->send_ack(lst->sk, skb, &treq.req.req);
}
