// SPDX-License-Identifier: GPL-2.0
/*
 * Builds the child of a request, as TCP's own cookie path does: through the
 * kernel's syn_recv_sock() with a request that lives on the stack. The child
 * then processes the segment itself (tcp_child_process()), so that it is
 * established before anybody can accept it.
 */
#include <linux/security.h>
#include <net/busy_poll.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "../compat/compat.h"
#include "child.h"
#include "clock.h"
#include "cull.h"
#include "drop.h"
#include "filter.h"
#include "guard.h"
#include "heir.h"
#include "held.h"
#include "listener.h"
#include "lookup.h"
#include "reaper.h"
#include "request.h"
#include "reset.h"
#include "route.h"
#include "segment.h"
#include "shard.h"
#include "trace.h"

/* The first RTT sample: tcp_rtt_estimator() and tcp_set_rto() for a fresh connection. */
static void lq_child_seed_rtt(struct sock *child, u32 rtt_us)
{
	struct tcp_sock *tp = tcp_sk(child);

	tp->srtt_us = max(1U, rtt_us << 3);
	tp->mdev_us = rtt_us << 1;
	tp->rttvar_us = max(tp->mdev_us, tcp_rto_min_us(child));
	tp->mdev_max_us = tp->rttvar_us;
	tp->rtt_seq = tp->snd_nxt;
	minmax_reset(&tp->rtt_min, tcp_jiffies32, rtt_us);
	inet_csk(child)->icsk_rto = min_t(u32, __tcp_set_rto(tp), lq_compat_rto_max(child));
}

#if IS_ENABLED(CONFIG_IPV6)
/* The received options that the child's owner asked for: cookie_v6_check(). */
static void lq_view_pktopts(struct tcp_request_sock *treq, const struct sock *sk,
			    struct sk_buff *skb)
{
	const struct ipv6_pinfo *np = inet6_sk(sk);

	if (ipv6_opt_accepted(sk, skb, &TCP_SKB_CB(skb)->header.h6) || np->rxopt.bits.rxinfo ||
	    np->rxopt.bits.rxoinfo || np->rxopt.bits.rxhlim || np->rxopt.bits.rxohlim) {
		refcount_inc(&skb->users);
		treq->req.pktopts = skb;
	}
}
#endif

/*
 * inet_csk_route_child_sock() leaves the flow in the child, for ip_queue_xmit();
 * a child that is given its route has none: cookie_v4_check().
 */
static void lq_child_flow(struct sock *child, const struct lq_request *request)
{
	struct flowi4 *fl4 = &inet_sk(child)->cork.fl.u.ip4;

	fl4->saddr = (__force __be32)request->addr[1];
	fl4->daddr = (__force __be32)request->addr[0];
}

/* Returns the child, locked and with a reference for us; or NULL, and *reason. Takes @route. */
static struct sock *lq_child_clone(struct lq_listener *lst, struct sk_buff *skb,
				   const struct lq_request *request, const struct lq_ack *ack,
				   struct lq_route *route, u64 now_ns, u8 *reason)
{
	const u32 rtt_us = lq_us(now_ns) - request->stamp_us;
	const bool v6 = request->flags & LQ_REQ_V6;
	struct sock *sk = lst->sk;
	struct tcp_request_sock treq LQ_UNINITIALIZED;
	struct sock *child = NULL;
	bool own_req;
	int err;

	lq_request_view_tcp(&treq, lst, request);
	treq.txhash = lq_request_tx_hash(sk, request);
	if (!ack->cookie_mss)
		treq.snt_synack = div_u64(now_ns, NSEC_PER_USEC) - rtt_us;
#if IS_ENABLED(CONFIG_IPV6)
	if (v6)
		lq_view_pktopts(&treq, sk, skb);
#endif
	/* Labels come from here: the SYN's own are not kept. */
	err = security_inet_conn_request(sk, skb, &treq.req.req);
	*reason = LISTENQ_DROP_CHILD_FAILED;
	if (lq_request_view_unlabel(&treq.req) || err) {
		*reason = LISTENQ_DROP_LSM;
		lq_route_put(route);
	} else {
		lq_route_hold(lst, request, route);
		if (route->dst)
			child = lq_compat_syn_recv_sock(&lst->af_ops, sk, skb, &treq.req.req,
							route->dst, &own_req);
	}
#if IS_ENABLED(CONFIG_IPV6)
	if (v6 && treq.req.pktopts)
		consume_skb(treq.req.pktopts);
#endif
	if (!child)
		return NULL;
	if (!v6)
		lq_child_flow(child, request);
	if (ack->saw_tstamp && !after(ack->seq, request->rcv_isn + 1))
		tcp_sk(child)->rx_opt.ts_recent = ack->tsval;
	sock_rps_save_rxhash(child, skb);
	/* A cookie's SYN-ACK left no time behind: TCP takes it from the timestamps. */
	if (request->num_retrans == 0 && !ack->cookie_mss)
		lq_child_seed_rtt(child, rtt_us);
	return child;
}

bool lq_promotion_abort(struct lq_shard *shard, const struct lq_promotion *promotion,
			const struct lq_key *key, u8 reason)
{
	bool free;

	spin_lock(&shard->lock);
	free = lq_core_promote_abort(shard->core, promotion, &reason);
	lq_filter_room_locked(shard);
	spin_unlock(&shard->lock);
	if (reason && promotion->cookie)
		lq_drop_of_cookie(shard->lst, key, reason);
	else if (reason)
		lq_drop(shard->lst, key, reason);
	return free;
}

void lq_promotion_undo(struct lq_shard *shard, const struct lq_promotion *promotion,
		       const struct lq_key *key)
{
	if (lq_promotion_abort(shard, promotion, key, LISTENQ_DROP_NONE) && !promotion->cookie)
		lq_request_free(promotion->request);
}

/*
 * No child could be made, for @reason. A listener that closed meanwhile has given up its
 * port, and a peer that has nothing to send would wait for ever: TCP answers
 * it with RST. Where two segments brought the same cookie at once, one made the
 * child, and the other is that connection's; unless a program gave it to the listener: TCP would
 * not look for the connection either, but answer with RST for a cookie that it does not know. Its
 * own listener drops such a segment, and so do we. Otherwise the SYN-ACK goes out again, and the
 * peer's ACK comes.
 */
static enum lq_received lq_child_failed(struct lq_shard *shard, struct sk_buff *skb,
				    const struct lq_promotion *promotion, const struct lq_ack *ack,
				    u8 reason)
{
	struct lq_listener *lst = shard->lst;
	const bool made = promotion->cookie &&
			  lq_connection_exists(sock_net(lst->sk), skb, &ack->key);
	const bool free = lq_promotion_abort(shard, promotion, &ack->key,
					     made ? LISTENQ_DROP_NONE : reason);
	const bool closed = promotion->cookie ? READ_ONCE(lst->sk->sk_state) != TCP_LISTEN : free;

	if (free)
		lq_request_free(promotion->request);
	if (!closed && (!made || skb->sk))
		return LQ_RECEIVED_DROP;
	lq_restore_cb(skb, ack->key.v6);
	return LQ_RECEIVED_PASS;
}

struct sock *lq_syn_recv_sock(LQ_SYN_RECV_SOCK_PARAMS)
{
	const struct inet_connection_sock_af_ops *ops = READ_ONCE(inet_csk(sk)->icsk_af_ops);
	const struct lq_listener *lst = container_of(ops, struct lq_listener, af_ops);
	struct sock *child;

	/* Detached since TCP looked: by close(), or by a release, after which TCP listens. */
	if (ops->conn_request != lq_conn_request) {
		if (inet_sk_state_load(sk) == TCP_LISTEN)
			return ops->syn_recv_sock(LQ_SYN_RECV_SOCK_ARGS);
		dst_release(dst);
		return NULL;
	}
	child = lst->orig_af_ops->syn_recv_sock(LQ_SYN_RECV_SOCK_ARGS);
	if (!child)
		return NULL;
	/* A mapped child has operations of its own already. */
	if (inet_csk(child)->icsk_af_ops == &lst->af_ops)
		inet_csk(child)->icsk_af_ops = lst->orig_af_ops;
	return child;
}

/*
 * tcp_v6_do_rcv() replaces the options that IPV6_2292PKTOPTIONS shows by those of each segment,
 * tcp_child_process() leaves the child those of the handshake.
 */
static void lq_child_receive(struct sock *child, struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct ipv6_pinfo *np = inet6_sk(child);

	if (np && unlikely(np->pktoptions)) {
		struct sk_buff *pktoptions = xchg(&np->pktoptions, NULL);

		child->sk_backlog_rcv(child, skb);
		kfree_skb(xchg(&np->pktoptions, pktoptions));
		return;
	}
#endif
	child->sk_backlog_rcv(child, skb);
}

enum lq_received lq_child_build(struct lq_shard *shard, struct sk_buff *skb,
			    const struct lq_promotion *promotion, const struct lq_ack *ack,
			    struct lq_route *route)
{
	struct lq_listener *lst = shard->lst;
	struct sock *sk = lst->sk;
	struct net *net = sock_net(sk);
	struct lq_request *evicted;
	const u64 now_ns = ktime_get_ns();
	union lq_request_copy copy LQ_UNINITIALIZED;
	enum lq_commit commit;
	u8 reason = LISTENQ_DROP_NO_ROUTE;
	struct sock *child = NULL;
	struct lq_route found;

	/*
	 * Ours but for next, as its neighbours in the SYN queue come and go, and LQ_REQ_ORPHAN, as
	 * the listener closes: neither is looked at in the copy.
	 */
	data_race((lq_request_copy(&copy, promotion->request), 0));
	if (!route && lq_route_find(lst, &copy.request, true, &found))
		route = &found;
	if (route)
		child = lq_child_clone(lst, skb, &copy.request, ack, route, now_ns, &reason);
	if (!child)
		return lq_child_failed(shard, skb, promotion, ack, reason);

	spin_lock(&shard->lock);
	commit = lq_core_promote_commit(shard->core, promotion, child, lq_us(now_ns), &evicted);
	if (commit == LQ_COMMIT_OK) {
		lq_ack_backlog_add(lst);
		if (unlikely(shard->managed))
			lq_cull_watch_locked(shard);
	} else if (commit == LQ_COMMIT_HELD) {
		lq_filter_held_locked(shard, evicted);
	} else {
		lq_filter_room_locked(shard);
	}
	spin_unlock(&shard->lock);
	if (promotion->cookie && commit != LQ_COMMIT_CLOSED)
		lq_listener_event(lst, LISTENQ_EVENT_COOKIE_RECEIVED);

	if (unlikely(commit == LQ_COMMIT_CLOSED)) {
		struct lq_shard *heir = shard; /* parked: nobody is woken by it */
		const enum lq_taken taken =
			lq_heir_take_child(lst, promotion->request, child, LQ_FILTER_NONE,
					   lq_us(now_ns), &heir);

		if (taken == LQ_TAKEN_NOT) {
			lq_request_free(promotion->request);
			lq_child_forget_locked(child);
			bh_unlock_sock(child);
			sock_put(child);
			lq_drop(lst, &ack->key, LISTENQ_DROP_LISTENER_CLOSED);
			return LQ_RECEIVED_DROP;
		}
		shard = heir;
		lst = heir->lst;
		commit = taken == LQ_TAKEN_HELD ? LQ_COMMIT_HELD : LQ_COMMIT_OK;
		evicted = NULL;
	}
	if (commit == LQ_COMMIT_HELD) {
		/* Nobody else gets at it before we let go of its lock. */
		lq_held_hook(shard, child, promotion->request);
		lq_listener_event(lst, LISTENQ_EVENT_FILTER_HELD);
		trace_filter_hold(lst, &copy.request);
	} else {
		lq_listener_event(lst, LISTENQ_EVENT_ESTABLISHED);
		trace_established(lst, &copy.request);
	}

	/* tcp_child_process(); nobody can own the lock that we held since the clone. */
	__TCP_INC_STATS(net, TCP_MIB_INSEGS);
	nf_reset_ct(skb);
	sk_mark_napi_id_set(child, skb);
	tcp_segs_in(tcp_sk(child), skb);
	lq_child_receive(child, skb);
	if (unlikely(commit == LQ_COMMIT_HELD))
		lq_held_bound(child, promotion->request);
	bh_unlock_sock(child);
	sock_put(child);
	if (commit == LQ_COMMIT_OK)
		lq_listener_wake(lst);
	else
		lq_filter_evict(shard, evicted);
	return LQ_RECEIVED_TAKEN;
}
