// SPDX-License-Identifier: GPL-2.0
/*
 * A SYN arrives, by one of two doors: we found the listening sock (receive.c),
 * or TCP did and calls our conn_request, which is left with what is rare: a pair
 * in TIME_WAIT, a SYN that one of TCP's own tests stops.
 *
 * The core reserves room, the kernel's routing and security modules have
 * their say, the core takes the request, and the SYN-ACK leaves, by the
 * first door in the SYN's own buffer. Softirq, RCU; nobody holds a lock on the listener.
 */
#include <linux/security.h>
#include <net/inet6_connection_sock.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "../bridge/segment.h"
#include "../compat/compat.h"
#include "clock.h"
#include "cookie.h"
#include "drop.h"
#include "event.h"
#include "handshake.h"
#include "heir.h"
#include "listener.h"
#include "request.h"
#include "route.h"
#include "segment.h"
#include "settings.h"
#include "shard.h"
#include "share.h"
#include "syn.h"
#include "synack.h"
#include "table.h"
#include "timer.h"
#include "trace.h"

static void lq_syn_drop(struct lq_listener *lst, const struct lq_key *key, u8 reason)
{
	/* Elsewhere the reason says that a request or a connection ended: no drop of a new one. */
	if (reason == LISTENQ_DROP_LISTENER_CLOSED)
		tcp_listendrop(lst->sk);
	lq_drop(lst, key, reason);
}

/* Returns the reason that it cannot be answered, or 0. */
static u8 lq_syn_options(const struct sock *sk, const struct lq_syn_in *in,
			 struct lq_options *options)
{
	const struct lq_options_config config = {
		.mss_default = in->syn.key.v6
				       ? IPV6_MIN_MTU - sizeof(struct tcphdr) - sizeof(struct ipv6hdr)
				       : TCP_MSS_DEFAULT,
		.user_mss = READ_ONCE(tcp_sk(sk)->rx_opt.user_mss),
		.allow = lq_options_allowed(sock_net(sk)),
	};
	enum lq_auth auth;

	lq_core_syn_options(in->syn.options, in->syn.options_length, &config, options);
	/* A key may have come while listen() was under way. */
	if (unlikely(lq_compat_has_auth_keys(sk)))
		return LISTENQ_DROP_SYN_SIGNED;
	if (unlikely(options->is_suspect)) {
		auth = lq_compat_auth(in->th);
		lq_compat_count_auth(sock_net(sk), auth);
		if (auth != LQ_AUTH_NONE)
			return LISTENQ_DROP_SYN_SIGNED;
	}
	return 0;
}

static bool lq_syn_ecn(const struct sock *sk, const struct lq_syn_in *in,
		       const struct dst_entry *dst)
{
	const struct tcphdr *th = in->th;
	const u32 feature = dst_feature(dst, DST_FEATURE_ECN_MASK);
	const struct lq_ecn ecn = {
		.ece_cwr = th->ece && th->cwr,
		.reserved_bits = th->res1,
		.ect = !INET_ECN_is_not_ect(in->dsfield),
		.enabled = lq_ecn_enabled(sk, dst),
		.needed = tcp_ca_needs_ecn(sk) || (feature & DST_FEATURE_ECN_CA),
	};

	return lq_core_ecn(&ecn);
}

static void lq_syn_fill(const struct lq_listener *lst, const struct lq_syn_in *in,
			const struct lq_options *options, struct lq_request *request)
{
	const struct lq_syn *syn = &in->syn;
	const struct sock *sk = lst->sk;
	struct sk_buff *skb = in->skb;

	request->rcv_isn = syn->seq;
	request->ts_recent = options->tsval;
	request->mss = options->mss;
	request->flags = options->flags | (syn->key.v6 ? LQ_REQ_V6 : 0);
	request->wscale = options->wscale;
	request->peer_port = syn->key.peer_port;
	request->syn_tos = in->dsfield;
	request->mark = inet_request_mark(sk, skb);
	request->ifindex = inet_request_bound_dev_if(sk, skb);
	request->num_retrans = 0;
	request->num_timeout = 0;
	lq_request_set_addresses(request, &syn->key);
#if IS_ENABLED(CONFIG_IPV6)
	/* Link-local addresses mean something on one link only: tcp_v6_init_req(). */
	if (syn->key.v6 &&
	    (!READ_ONCE(sk->sk_bound_dev_if) || in->l3_slave) &&
	    ipv6_addr_type(&ipv6_hdr(skb)->saddr) & IPV6_ADDR_LINKLOCAL)
		request->ifindex = syn->key.ifindex;
#endif
}

/* What becomes of a SYN that may be answered. */
struct lq_answer {
	struct lq_route route;
	u32 tsval; /* what the SYN-ACK's timestamp starts from */
};

/* Our sequence number, and what our timestamps start from. */
static void lq_syn_numbers(struct lq_listener *lst, const struct lq_syn_in *in, bool cookie,
			   u64 now_ns, struct lq_request *request, struct lq_answer *answer)
{
	const u16 local = (__force u16)inet_sk(lst->sk)->inet_sport;
	const struct lq_syn *syn = &in->syn;
	struct lq_isn isn;

	answer->tsval = lq_tsval(now_ns);
	if (cookie) {
		lq_cookie_remember(lst->lqn, local, syn->now_s);
		answer->tsval = lq_core_cookie(&lst->keys, &syn->key, local, syn->now_s,
					       answer->tsval, request);
	} else {
		isn = lq_core_isn(&lst->keys, &syn->key, local, now_ns, READ_ONCE(lst->isn_tag));
		request->snt_isn = in->tw_isn ? lq_core_isn_from(isn.isn, in->tw_isn) : isn.isn;
		request->ts_off = isn.ts_off;
	}
	/* 2: timestamps without an offset */
	if (READ_ONCE(sock_net(lst->sk)->ipv4.sysctl_tcp_timestamps) != 1)
		request->ts_off = 0;
}

/*
 * Fill @request for the SYN and find the route back, for a cookie as well as
 * for the queue. Returns the reason that it cannot be answered, or 0.
 */
static u8 lq_syn_build(struct lq_listener *lst, const struct lq_syn_in *in, bool cookie,
		       struct lq_request *request, struct lq_answer *answer)
{
	const u64 now_ns = ktime_get_ns();
	struct inet_request_sock ireq LQ_UNINITIALIZED;
	struct lq_options options LQ_UNINITIALIZED;
	u8 reason;
	int err;

	reason = lq_syn_options(lst->sk, in, &options);
	if (reason)
		return reason;
	lq_syn_fill(lst, in, &options, request);
	lq_request_view(&ireq, lst, request);
	err = security_inet_conn_request(lst->sk, in->skb, &ireq.req);
	if (lq_request_view_unlabel(&ireq) || err)
		return LISTENQ_DROP_LSM;
	if (!lq_route_find(lst, request, true, &answer->route))
		return LISTENQ_DROP_NO_ROUTE;

	if (lq_syn_ecn(lst->sk, in, answer->route.dst))
		request->flags |= LQ_REQ_ECN;
	lq_syn_numbers(lst, in, cookie, now_ns, request, answer);
	lq_request_window(lst->sk, &answer->route, request);
	request->stamp_us = lq_us(now_ns);
	return 0;
}

/* The buffer that the SYN-ACK may be built in, or NULL. */
static struct sk_buff *lq_syn_take(struct lq_syn_in *in)
{
	struct sk_buff *skb = in->consume ? in->skb : NULL;

	in->consume = false;
	return skb;
}

/* LQ_SYN_COOKIE: nothing is kept, so nothing is allocated. */
static void lq_syn_cookie(struct lq_shard *shard, struct lq_syn_in *in)
{
	struct lq_listener *lst = shard->lst;
	union lq_request_copy request LQ_UNINITIALIZED;
	struct lq_answer answer LQ_UNINITIALIZED;
	u8 reason;

	reason = lq_syn_build(lst, in, true, &request.request, &answer);
	if (!reason && !lq_synack_send(lst, &request.request, &answer.route, answer.tsval,
				       lq_syn_take(in), false))
		reason = LISTENQ_DROP_NO_MEMORY;
	if (reason) {
		spin_lock(&shard->lock);
		lq_core_synack_unsent(shard->core, LISTENQ_EVENT_COOKIE_SENT);
		lq_core_count_drop(shard->core, reason);
		spin_unlock(&shard->lock);
		lq_syn_drop(lst, &in->syn.key, reason);
		return;
	}
	NET_INC_STATS(sock_net(lst->sk), LINUX_MIB_SYNCOOKIESSENT);
	lq_listener_event(lst, LISTENQ_EVENT_COOKIE_SENT);
}

/* LQ_SYN_NEW: room is reserved. False: the listener closed meanwhile, and the SYN is without an answer. */
static bool lq_syn_new(struct lq_shard *shard, struct lq_syn_in *in)
{
	struct lq_listener *lst = shard->lst;
	const struct lq_syn *syn = &in->syn;
	struct lq_request *request = lq_request_alloc(lst->sk, syn->key.v6);
	u8 reason = LISTENQ_DROP_NO_MEMORY;
	union lq_request_copy copy LQ_UNINITIALIZED;
	struct lq_answer answer LQ_UNINITIALIZED;
	enum lq_commit commit;

	if (request)
		reason = lq_syn_build(lst, in, false, request, &answer);
	if (reason) {
		spin_lock(&shard->lock);
		lq_core_syn_abort(shard->core, reason);
		spin_unlock(&shard->lock);
		lq_request_free(request);
		lq_syn_drop(lst, &syn->key, reason);
		return true;
	}
	/* Once committed, the request belongs to the core: the SYN-ACK needs a copy. */
	lq_request_copy(&copy, request);

	spin_lock(&shard->lock);
	commit = lq_core_syn_commit(shard->core, syn, request,
				    dst_metric(answer.route.dst, RTAX_RTT));
	if (commit == LQ_COMMIT_OK) {
		lq_timer_arm_locked(shard, request->expires);
		lq_table_fit_locked(shard);
	}
	spin_unlock(&shard->lock);

	switch (commit) {
	case LQ_COMMIT_OK:
		lq_listener_event(lst, LISTENQ_EVENT_REQUEST_CREATED);
		trace_request(lst, &copy.request);
		if (!lq_synack_send(lst, &copy.request, &answer.route, answer.tsval,
				    lq_syn_take(in), false))
			lq_synack_unsent(shard, LISTENQ_EVENT_SYNACK_SENT);
		return true;
	case LQ_COMMIT_DUPLICATE:
		lq_listener_event(lst, LISTENQ_EVENT_SYN_DUPLICATE);
		break;
	case LQ_COMMIT_REFUSED:
		lq_syn_drop(lst, &syn->key, LISTENQ_DROP_SYN_LAST_QUARTER);
		lq_event_check(shard);
		break;
	default:
		break;
	}
	lq_route_put(&answer.route);
	lq_request_free(request);
	return commit != LQ_COMMIT_CLOSED;
}

/* tcp_v4_conn_request() and tcp_v6_conn_request(): addresses that are never answered. */
static bool lq_syn_answerable(struct sock *sk, const struct sk_buff *skb, bool v6)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		if (!ipv6_unicast_destination(skb))
			return false;
		if (ipv6_addr_v4mapped(&ipv6_hdr(skb)->saddr)) {
			__IP6_INC_STATS(sock_net(sk), NULL, IPSTATS_MIB_INHDRERRORS);
			return false;
		}
		return true;
	}
#endif
	return !(skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST));
}

/* What the kernel's own helpers read of a segment: TCP has filled it, receive.c has not. */
static void lq_syn_expose(const struct lq_syn_in *in)
{
	if (in->consume)
		lq_fill_cb(in->skb, in->syn.key.v6);
}

/* How many listeners that end a SYN is brought to, one after the other. */
#define LQ_SYN_HOPS 4
/* And how many members of a group, if the first is stalled. */
#define LQ_SYN_MEMBERS 8

/* What a SYN met on its way through a group. */
struct lq_syn_way {
	struct lq_listener *stalled; /* the first that was, or NULL */
	u32 turn;		     /* of those asked instead */
};

/* @lst is stalled: who is asked next, another member of its group; or it again, where no other is better. */
static struct lq_listener *lq_syn_instead(struct lq_listener *lst, struct lq_syn_way *way,
					  const struct lq_key *key)
{
	struct lq_listener *other = NULL;

	if (!way->stalled)
		way->stalled = lst;
	if (way->turn < LQ_SYN_MEMBERS)
		other = lq_share_of_syn(way->stalled, key, way->turn++);
	return other ? : way->stalled;
}

static void lq_syn_redirected(struct lq_listener *stalled, const struct lq_key *key)
{
	struct lq_shard *shard = lq_shard_of(stalled, key);

	spin_lock(&shard->lock);
	lq_core_redirected(shard->core);
	spin_unlock(&shard->lock);
	lq_listener_event(stalled, LISTENQ_EVENT_SYN_REDIRECTED);
}

/*
 * By *@at, or by one that is less busy, which *@at is afterwards. False: that one ended, before or while
 * it answered, and another is to.
 */
static bool lq_syn_answer(struct lq_listener **at, struct lq_syn_in *in, struct lq_syn_way *way)
{
	struct lq_listener *lst = *at;
	struct net *net = sock_net(lst->sk);
	struct lq_syn *syn = &in->syn;
	union lq_request_copy copy LQ_UNINITIALIZED;
	enum lq_syn_verdict verdict;
	struct lq_request *freed;
	struct lq_shard *shard;
	bool answered = true;

again:
	lq_listener_refresh(lst);
	shard = lq_shard_of(lst, &syn->key);
	spin_lock(&shard->lock);
	lq_shard_accept_done_locked(shard);
	if (unlikely(shard->managed) && lst != way->stalled &&
	    lq_core_is_stalled(shard->core, &syn->key, lq_now_us())) {
		spin_unlock(&shard->lock);
		lst = lq_syn_instead(lst, way, &syn->key);
		goto again;
	}
	verdict = lq_core_syn(shard->core, syn, &copy, &freed);
	if (verdict == LQ_SYN_DUPLICATE || verdict == LQ_SYN_CHALLENGE)
		lq_timer_arm_locked(shard, lq_core_due(shard->core));
	spin_unlock(&shard->lock);

	*at = lst;
	if (unlikely(verdict == LQ_SYN_CLOSED))
		return false;
	if (syn->cookies_on)
		NET_INC_STATS(net, LINUX_MIB_TCPREQQFULLDOCOOKIES);
	if (syn->reason)
		lq_syn_drop(lst, &syn->key, syn->reason);
	if (unlikely(freed)) {
		if (verdict == LQ_SYN_NEW)
			lq_request_end(lst, freed, LISTENQ_DROP_REQUEST_EVICTED);
		else
			lq_request_free(freed);
	}
	switch (verdict) {
	case LQ_SYN_NEW:
		answered = lq_syn_new(shard, in);
		break;
	case LQ_SYN_COOKIE:
		lq_syn_cookie(shard, in);
		break;
	case LQ_SYN_DUPLICATE:
		lq_synack_repeat(shard, &copy.request, lq_syn_take(in));
		break;
	case LQ_SYN_CHALLENGE:
		lq_syn_expose(in);
		lq_challenge_send(lst, in->skb, &copy.request);
		break;
	case LQ_SYN_RESET:
		/* Not by returning an error: TCP need not look at it. */
		lq_syn_expose(in);
		lq_reset_send(lst, in->skb, syn->key.v6);
		break;
	case LQ_SYN_CLOSED:
		break;
	case LQ_SYN_DROP:
		/* A challenge, but for the time since the last. */
		if (syn->reason == LISTENQ_DROP_ACK_BAD_SEQ || syn->reason == LISTENQ_DROP_ACK_PAWS)
			NET_INC_STATS(net, LINUX_MIB_TCPACKSKIPPEDSYNRECV);
		break;
	}
	if (unlikely(syn->event_pending))
		lq_event_send_pending(shard);
	return answered;
}

/* @lst ended before it answered: its heir is to, or nobody. */
static struct lq_listener *lq_syn_inherit(struct lq_listener *lst, const struct lq_key *key,
					  u32 hops)
{
	struct lq_listener *heir = hops < LQ_SYN_HOPS ? lq_heir_of_syn(lst, key) : NULL;
	struct lq_shard *shard;

	if (heir)
		return heir;
	shard = lq_shard_of(lst, key);
	spin_lock(&shard->lock);
	lq_core_count_drop(shard->core, LISTENQ_DROP_LISTENER_CLOSED);
	spin_unlock(&shard->lock);
	lq_syn_drop(lst, key, LISTENQ_DROP_LISTENER_CLOSED);
	return NULL;
}

void lq_syn_receive(struct lq_listener *lst, struct lq_syn_in *in)
{
	struct lq_syn *syn = &in->syn;
	struct lq_syn_way way = {};
	u32 hops = 0;

	if (!lq_syn_answerable(lst->sk, in->skb, syn->key.v6)) {
		tcp_listendrop(lst->sk);
		goto consume;
	}
	/* Either door pulled the whole TCP header. */
	syn->options = (const u8 *)(in->th + 1);
	syn->options_length = in->th->doff * 4 - sizeof(*in->th);
	syn->seq = ntohl(in->th->seq);
	syn->payload = in->skb->len - in->th->doff * 4;
	syn->from_time_wait = in->tw_isn != 0;
	syn->now = lq_now();
	syn->now_s = lq_now_s();
	trace_syn(lst, &syn->key);
	lq_listener_event(lst, LISTENQ_EVENT_SYN_RECEIVED);
	while (unlikely(!lq_syn_answer(&lst, in, &way))) {
		lst = lq_syn_inherit(lst, &syn->key, hops++);
		if (!lst)
			break;
	}
	/* Once, however many were asked. */
	if (unlikely(way.stalled) && lst && lst != way.stalled)
		lq_syn_redirected(way.stalled, &syn->key);
consume:
	if (in->consume)
		consume_skb(in->skb);
}

bool lq_syn_is_new(struct lq_listener *lst, const struct lq_key *key)
{
	struct lq_shard *shard = lq_shard_of(lst, key);
	bool known;

	spin_lock(&shard->lock);
	known = lq_core_has_request(shard->core, key);
	spin_unlock(&shard->lock);
	return !known;
}

int lq_conn_request(struct sock *sk, struct sk_buff *skb)
{
	struct lq_listener *lst = lq_listener_of(sk);
	struct lq_syn_in in = {
		.skb = skb,
		.th = tcp_hdr(skb),
		.tw_isn = TCP_SKB_CB(skb)->tcp_tw_isn,
		.dsfield = TCP_SKB_CB(skb)->ip_dsfield,
	};
	const bool v6 = IS_ENABLED(CONFIG_IPV6) && skb->protocol == htons(ETH_P_IPV6);

	/* Detached since TCP looked: by close(), or by a release, after which TCP listens. */
	if (!lst)
		return inet_sk_state_load(sk) == TCP_LISTEN
			       ? READ_ONCE(inet_csk(sk)->icsk_af_ops)->conn_request(sk, skb) : 0;
	lq_segment_key_tcp(&in.syn.key, skb, v6);
#if IS_ENABLED(CONFIG_IPV6)
	if (v6)
		in.l3_slave = ipv6_l3mdev_skb(TCP_SKB_CB(skb)->header.h6.flags);
#endif
	if (!lq_listener_port(lst, in.th) || lq_syn_released(lst, &in.syn.key))
		return lst->orig_af_ops->conn_request(sk, skb);
	lq_syn_receive(lst, &in);
	return 0;
}
