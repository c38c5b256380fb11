// SPDX-License-Identifier: GPL-2.0
/*
 * Sends a SYN-ACK, the first or a later one, and the ACK that answers an odd
 * segment. Softirq; no lock is held.
 */
#include <net/dsfield.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/inet6_connection_sock.h>
#include <net/ipv6.h>

#include "listenq.h"
#include "trace.h"

u16 lq_synack_mss(const struct sock *sk, const struct dst_entry *dst)
{
	const u16 user_mss = READ_ONCE(tcp_sk(sk)->rx_opt.user_mss);
	const u32 advmss = tcp_dst_advmss(dst);

	return user_mss && user_mss < advmss ? user_mss : advmss;
}

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
static void lq_synack_own(struct sk_buff *skb, struct sock *sk)
{
	if (refcount_inc_not_zero(&sk->sk_refcnt)) {
		skb->sk = sk;
		skb->destructor = sock_edemux;
	}
}

/* Takes the reference on @dst. NULL without memory. */
static struct sk_buff *lq_synack_build(struct sock *sk, const struct lq_request *request,
				       struct dst_entry *dst, u32 tsval)
{
	struct sk_buff *skb = alloc_skb(MAX_TCP_HEADER, GFP_ATOMIC);
	size_t length;

	if (unlikely(!skb)) {
		dst_release(dst);
		return NULL;
	}
	skb_reserve(skb, MAX_TCP_HEADER - LQ_SYNACK_MAX);
	lq_synack_own(skb, sk);
	skb_dst_set(skb, dst);
	skb_set_hash(skb, net_tx_rndhash(), PKT_HASH_TYPE_L4);
	skb->mark = request->mark;
	length = lq_core_synack(request, (__force u16)htons(inet_sk(sk)->inet_num),
				lq_synack_mss(sk, dst), tsval, skb->data);
	skb_put(skb, length);
	skb_reset_transport_header(skb);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);
	return skb;
}

static void lq_synack_send_v4(struct sock *sk, const struct lq_request *request,
			      struct dst_entry *dst, u32 tsval)
{
	const __be32 peer = (__force __be32)request->addr[0];
	const __be32 local = (__force __be32)request->addr[1];
	struct sk_buff *skb = lq_synack_build(sk, request, dst, tsval);

	if (!skb)
		return;
	tcp_hdr(skb)->check = ~tcp_v4_check(skb->len, local, peer, 0);
	ip_build_and_send_pkt(skb, sk, local, peer, NULL,
			      lq_synack_tos(sk, request, READ_ONCE(inet_sk(sk)->tos)));
}

#if IS_ENABLED(CONFIG_IPV6)
static void lq_synack_send_v6(struct sock *sk, const struct tcp_request_sock *treq,
			      const struct lq_request *request, struct dst_entry *dst,
			      struct flowi6 *fl6, u32 tsval)
{
	const struct inet_request_sock *ireq = &treq->req;
	const struct ipv6_pinfo *np = inet6_sk(sk);
	struct sk_buff *skb = lq_synack_build(sk, request, dst, tsval);

	if (!skb)
		return;
	__tcp_v6_send_check(skb, &ireq->ir_v6_loc_addr, &ireq->ir_v6_rmt_addr);
	fl6->daddr = ireq->ir_v6_rmt_addr;
	rcu_read_lock();
	ip6_xmit(sk, skb, fl6, skb->mark ? : READ_ONCE(sk->sk_mark), rcu_dereference(np->opt),
		 lq_synack_tos(sk, request, np->tclass), READ_ONCE(sk->sk_priority));
	rcu_read_unlock();
}
#endif

void lq_synack_send(struct lq_listener *lst, const struct lq_request *request,
		    struct dst_entry *dst, struct flowi *fl, u32 tsval, bool retransmission)
{
	struct sock *sk = lst->sk;
	struct net *net = sock_net(sk);
	struct tcp_request_sock treq;
	struct flowi found;
	const bool v6 = request->flags & LQ_REQ_V6;

	if (v6 || !dst)
		lq_request_view(&treq, lst, request);
	if (!dst) {
		fl = &found;
		dst = lq_request_route(sk, &treq, fl);
		if (!dst)
			return; /* the timer tries again */
	}
#if IS_ENABLED(CONFIG_IPV6)
	if (v6)
		lq_synack_send_v6(sk, &treq, request, dst, &fl->u.ip6, tsval);
	else
#endif
		lq_synack_send_v4(sk, request, dst, tsval);

	TCP_INC_STATS(net, TCP_MIB_OUTSEGS);
	if (retransmission) {
		TCP_INC_STATS(net, TCP_MIB_RETRANSSEGS);
		NET_INC_STATS(net, LINUX_MIB_TCPSYNRETRANS);
	}
	lq_count_event(net, LISTENQ_EVENT_SYNACK_SENT);
	trace_synack(lst, request);
}

void lq_challenge_send(struct lq_listener *lst, struct sk_buff *skb,
		       const struct lq_request *request)
{
	struct tcp_request_sock treq;

	lq_request_view(&treq, lst, request);
	treq.req.req.rsk_ops->send_ack(lst->sk, skb, &treq.req.req);
}
