// SPDX-License-Identifier: GPL-2.0
/*
 * An ACK that may bring a SYN cookie back: the request that was never kept is
 * made anew from what the ACK says. Softirq, RCU.
 */
#include <net/inet_hashtables.h>
#include <net/inet6_hashtables.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "../bridge/segment.h"
#include "../compat/compat.h"
#include "child.h"
#include "clock.h"
#include "cookie.h"
#include "drop.h"
#include "event.h"
#include "handshake.h"
#include "listener.h"
#include "lookup.h"
#include "request.h"
#include "route.h"
#include "segment.h"
#include "shard.h"
#include "synack.h"
#include "table.h"
#include "timer.h"

/* What the timestamp of a cookie's ACK brings back. */
struct lq_cookie_options {
	struct lq_options options;
	u32 ts_off;
	bool ecn;
};

/* False: an option was agreed on that is not allowed any more. */
static bool lq_cookie_options(const struct lq_listener *lst, struct lq_ack *ack,
			      struct lq_cookie_options *back)
{
	const struct net *net = sock_net(lst->sk);
	const int timestamps = READ_ONCE(net->ipv4.sysctl_tcp_timestamps);

	*back = (struct lq_cookie_options) {};
	if (timestamps == 1)
		back->ts_off = ack->cookie_ts_off;
	if (!timestamps)
		ack->saw_tstamp = false; /* tcp_parse_options() */
	return !ack->saw_tstamp ||
	       lq_core_cookie_options(ack->tsecr ? ack->tsecr - back->ts_off : 0,
				      lq_options_allowed(net), &back->options, &back->ecn);
}

/* The request that a cookie's SYN asked for, as far as its ACK brings it back. False: no route. */
static bool lq_cookie_request(struct lq_listener *lst, struct sk_buff *skb,
			      const struct lq_ack *ack, const struct lq_cookie_options *back,
			      struct lq_request *request, struct lq_route *route)
{
	struct sock *sk = lst->sk;

	memset(request, 0, sizeof(*request)); /* IPv6: all that is beyond are addresses */
	request->ts_off = back->ts_off;
	request->rcv_isn = ack->seq - 1;
	request->snt_isn = ack->ack_seq - 1;
	request->ts_recent = ack->saw_tstamp ? ack->tsval : 0;
	request->mss = ack->cookie_mss;
	request->flags = back->options.flags | (ack->key.v6 ? LQ_REQ_V6 : 0);
	request->wscale = back->options.wscale;
	request->peer_port = ack->key.peer_port;
	request->syn_tos = TCP_SKB_CB(skb)->ip_dsfield;
	request->mark = inet_request_mark(sk, skb);
	request->ifindex = inet_request_bound_dev_if(sk, skb);
#if IS_ENABLED(CONFIG_IPV6)
	if (ack->key.v6 && !request->ifindex &&
	    ipv6_addr_type(&ipv6_hdr(skb)->saddr) & IPV6_ADDR_LINKLOCAL)
		request->ifindex = tcp_v6_iif(skb);
#endif
	lq_request_set_addresses(request, &ack->key);

	/* tcp_v4_send_synack() again: the window must come out as it did then. */
	if (!lq_route_find(lst, request, true, route))
		return false;
	lq_request_window(sk, route, request);
	if (back->ecn && lq_ecn_enabled(sk, route->dst)) /* cookie_ecn_ok() */
		request->flags |= LQ_REQ_ECN;
	return true;
}

/* LQ_ACK_COOKIE: a slot is reserved. */
static enum lq_received lq_cookie_promote(struct lq_shard *shard, struct sk_buff *skb,
				      struct lq_ack *ack, struct lq_promotion *promotion)
{
	struct lq_listener *lst = shard->lst;
	enum lq_received failed = LQ_RECEIVED_DROP;
	struct lq_cookie_options back LQ_UNINITIALIZED;
	struct lq_route route LQ_UNINITIALIZED;
	u8 reason = LISTENQ_DROP_NONE;

	promotion->request = NULL;
	if (!lq_cookie_options(lst, ack, &back)) {
		failed = LQ_RECEIVED_PASS; /* TCP answers with RST: the peer need not try again */
		goto abort;
	}
	lq_fill_cb(skb, ack->key.v6);
	reason = LISTENQ_DROP_NO_MEMORY;
	promotion->request = lq_request_alloc(lst->sk, ack->key.v6);
	if (!promotion->request)
		goto abort;
	if (lq_cookie_request(lst, skb, ack, &back, promotion->request, &route))
		return lq_child_build(shard, skb, promotion, ack, &route);
	reason = LISTENQ_DROP_NO_ROUTE;

abort:
	lq_promotion_abort(shard, promotion, &ack->key, reason);
	lq_request_free(promotion->request);
	return failed;
}

/*
 * LQ_ACK_KEEP: its peer believes that it is connected, and may say nothing before we do. It waits as any
 * request does whose ACK found no place: in the end it is served, or told.
 */
static enum lq_received lq_cookie_keep(struct lq_shard *shard, struct sk_buff *skb, struct lq_ack *ack,
				       const struct lq_promotion *promotion)
{
	struct lq_listener *lst = shard->lst;
	struct lq_request *request, *evicted = NULL;
	struct lq_cookie_options back LQ_UNINITIALIZED;
	struct lq_route route LQ_UNINITIALIZED;
	bool kept = false;

	if (!lq_cookie_options(lst, ack, &back))
		return LQ_RECEIVED_PASS;
	lq_fill_cb(skb, ack->key.v6);
	request = lq_request_alloc(lst->sk, ack->key.v6);
	if (request && lq_cookie_request(lst, skb, ack, &back, request, &route)) {
		lq_route_put(&route);
		request->stamp_us = lq_now_us();
		spin_lock(&shard->lock);
		kept = lq_core_keep(shard->core, ack, promotion, request, &evicted);
		if (kept) {
			lq_timer_arm_locked(shard, request->expires);
			lq_table_fit_locked(shard);
		}
		spin_unlock(&shard->lock);
	}
	if (kept)
		lq_listener_event(lst, LISTENQ_EVENT_COOKIE_RECEIVED);
	else
		lq_request_free(request);
	if (evicted)
		lq_request_end(lst, evicted, LISTENQ_DROP_REQUEST_EVICTED);
	return LQ_RECEIVED_DROP;
}

/* Whether TCP would bring the segment to @lst, or to a member of its group. */
static bool lq_cookie_is_for(const struct lq_listener *lst, struct sk_buff *skb,
			     const struct lq_ack *ack, bool only)
{
	const struct sock *sk = skb->sk;

	if (!sk && only && lq_listener_exclusive(lst, &ack->key))
		return true;
	if (!sk)
		sk = lq_lookup_listener(lst->lqn, skb, &ack->key);
	return sk == lst->sk ||
	       (sk && rcu_access_pointer(sk->sk_reuseport_cb) &&
		rcu_access_pointer(sk->sk_reuseport_cb) ==
			rcu_access_pointer(lst->sk->sk_reuseport_cb));
}

static enum lq_ack_verdict lq_cookie_ask(struct lq_shard *shard, struct lq_ack *ack,
					 struct lq_promotion *promotion)
{
	enum lq_ack_verdict verdict;

	spin_lock(&shard->lock);
	lq_shard_accept_done_locked(shard);
	verdict = lq_core_ack_cookie(shard->core, ack, promotion);
	spin_unlock(&shard->lock);
	return verdict;
}

/* As lq_ack_vet(): false, if TCP's checks do not let the segment near a listener. */
static bool lq_cookie_vet(struct lq_shard *shard, struct sk_buff *skb, struct lq_ack *ack,
			  struct lq_promotion *promotion, enum lq_ack_verdict *verdict)
{
	const unsigned int length = skb->len;
	bool good;

	if (*verdict == LQ_ACK_UNKNOWN || ack->vetted)
		return true;
	good = lq_segment_acceptable(shard->lst->sk, skb, ack->key.v6);
	if (good && *verdict == LQ_ACK_COOKIE && skb->len == length)
		return true;
	if (*verdict == LQ_ACK_COOKIE)
		lq_promotion_undo(shard, promotion, &ack->key);
	if (!good)
		return false;
	lq_ack_read(ack, skb);
	ack->vetted = true;
	*verdict = lq_cookie_ask(shard, ack, promotion);
	return true;
}

enum lq_ack_verdict lq_cookie_try(struct lq_shard *shard, struct sk_buff *skb, struct lq_ack *ack,
				  bool only, enum lq_received *result)
{
	struct lq_listener *lst = shard->lst;
	struct net *net = sock_net(lst->sk);
	struct lq_promotion promotion LQ_UNINITIALIZED;
	enum lq_ack_verdict verdict;

	*result = LQ_RECEIVED_PASS;
	/* An ACK without a request may be for a listener that is not ours. */
	if (!lq_cookie_is_for(lst, skb, ack, only))
		return LQ_ACK_UNKNOWN;
	verdict = lq_cookie_ask(shard, ack, &promotion);
	if (!lq_cookie_vet(shard, skb, ack, &promotion, &verdict))
		return LQ_ACK_PASS;
	if (verdict == LQ_ACK_UNKNOWN) {
		NET_INC_STATS(net, LINUX_MIB_SYNCOOKIESFAILED);
		lq_listener_event(lst, LISTENQ_EVENT_COOKIE_FAILED);
		ack->cookie_failed = true;
		return verdict;
	}
	NET_INC_STATS(net, LINUX_MIB_SYNCOOKIESRECV);
	if (verdict != LQ_ACK_COOKIE) {
		lq_drop(lst, &ack->key, ack->reason);
		if (verdict == LQ_ACK_KEEP)
			*result = lq_cookie_keep(shard, skb, ack, &promotion);
		lq_event_check(shard);
		return verdict;
	}
	*result = lq_cookie_promote(shard, skb, ack, &promotion);
	return verdict;
}
