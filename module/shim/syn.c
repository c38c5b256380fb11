// SPDX-License-Identifier: GPL-2.0
/*
 * A SYN arrives: TCP found the listening sock and calls our conn_request.
 *
 * The core reserves room, the kernel's routing and security modules have
 * their say, the core takes the request, and the SYN-ACK leaves. Softirq, RCU;
 * TCP holds no lock on the listener.
 */
#include <linux/security.h>
#include <net/inet6_connection_sock.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "listenq.h"
#include "trace.h"

/* The MIB counters of TCP that dashboards know, for what stops a SYN. */
static void lq_syn_drop(struct lq_listener *lst, const struct lq_key *key, u8 reason)
{
	struct net *net = sock_net(lst->sk);

	lq_count_drop(net, reason);
	trace_drop(lst, key, reason);
	lq_event_check(lst);
	switch (reason) {
	case LISTENQ_DROP_SYN_QUEUE_FULL:
		NET_INC_STATS(net, LINUX_MIB_TCPREQQFULLDROP);
		break;
	case LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN:
		NET_INC_STATS(net, LINUX_MIB_LISTENOVERFLOWS);
		break;
	case LISTENQ_DROP_SYN_RATE_LIMITED:
		lq_count_event(net, LISTENQ_EVENT_SYN_DUPLICATE);
		NET_INC_STATS(net, LINUX_MIB_TCPACKSKIPPEDSYNRECV);
		return;
	case LISTENQ_DROP_ACK_PAWS:
		NET_INC_STATS(net, LINUX_MIB_PAWSESTABREJECTED);
		return;
	case LISTENQ_DROP_ACK_BAD_SEQ:
	case LISTENQ_DROP_ACK_BUSY:
		return; /* not a drop of a new connection */
	case LISTENQ_DROP_REQUEST_SYN_IN_WINDOW:
		TCP_INC_STATS(net, TCP_MIB_ATTEMPTFAILS);
		NET_INC_STATS(net, LINUX_MIB_EMBRYONICRSTS);
		return;
	}
	tcp_listendrop(lst->sk);
}

static void lq_syn_key(struct lq_key *key, struct sk_buff *skb)
{
	key->peer_port = (__force u16)tcp_hdr(skb)->source;
#if IS_ENABLED(CONFIG_IPV6)
	if (skb->protocol == htons(ETH_P_IPV6)) {
		key->v6 = 1;
		memcpy(&key->addr[0], &ipv6_hdr(skb)->saddr, sizeof(struct in6_addr));
		memcpy(&key->addr[4], &ipv6_hdr(skb)->daddr, sizeof(struct in6_addr));
		key->ifindex = tcp_v6_iif(skb);
		key->l3_ifindex = tcp_v6_sdif(skb);
		return;
	}
#endif
	key->v6 = 0;
	key->addr[0] = (__force u32)ip_hdr(skb)->saddr;
	key->addr[1] = (__force u32)ip_hdr(skb)->daddr;
	key->ifindex = inet_iif(skb);
	key->l3_ifindex = tcp_v4_sdif(skb);
}

u8 lq_options_allowed(const struct net *net)
{
	return (READ_ONCE(net->ipv4.sysctl_tcp_timestamps) ? LQ_ALLOW_TSTAMP : 0) |
	       (READ_ONCE(net->ipv4.sysctl_tcp_window_scaling) ? LQ_ALLOW_WSCALE : 0) |
	       (READ_ONCE(net->ipv4.sysctl_tcp_sack) ? LQ_ALLOW_SACK : 0);
}

static void lq_syn_options(const struct sock *sk, const struct sk_buff *skb, bool v6,
			   struct lq_options *options)
{
	const struct tcphdr *th = tcp_hdr(skb);
	const struct lq_options_config config = {
		.mss_default = v6 ? IPV6_MIN_MTU - sizeof(struct tcphdr) - sizeof(struct ipv6hdr)
				  : TCP_MSS_DEFAULT,
		.user_mss = READ_ONCE(tcp_sk(sk)->rx_opt.user_mss),
		.allow = lq_options_allowed(sock_net(sk)),
	};

	/* tcp_v4_rcv() and tcp_v6_rcv() pulled the whole header. */
	lq_core_syn_options((const u8 *)(th + 1), th->doff * 4 - sizeof(*th), &config, options);
}

/* tcp_openreq_init_rwin() of net/ipv4/tcp_minisocks.c. */
void lq_request_window(const struct sock *sk, const struct dst_entry *dst,
		       struct lq_request *request)
{
	const struct net *net = sock_net(sk);
	const u32 full_space = max(tcp_full_space(sk), 0);
	const bool tstamp = request->flags & LQ_REQ_TSTAMP;
	u32 clamp = READ_ONCE(tcp_sk(sk)->window_clamp) ? : dst_metric(dst, RTAX_WINDOW);
	struct lq_window window;

	if (sk->sk_userlocks & SOCK_RCVBUF_LOCK && (clamp > full_space || clamp == 0))
		clamp = full_space;
	window = (struct lq_window) {
		.space = full_space,
		.mss = lq_synack_mss(sk, dst) - (tstamp ? TCPOLEN_TSTAMP_ALIGNED : 0),
		.clamp = clamp,
		.space_max = max_t(u32, READ_ONCE(net->ipv4.sysctl_tcp_rmem[2]),
				   READ_ONCE(sysctl_rmem_max)),
		.init_segments = dst_metric(dst, RTAX_INITRWND),
		.wscale_ok = request->flags & LQ_REQ_WSCALE,
		.window_max = READ_ONCE(net->ipv4.sysctl_tcp_workaround_signed_windows)
				      ? MAX_TCP_WINDOW : LQ_COMPAT_FIRST_WINDOW_MAX,
	};
	lq_core_window(&window);
	request->window_clamp = window.clamp >> window.wscale;
	request->rcv_wnd = window.window;
	request->wscale |= window.wscale << 4;
}

bool lq_ecn_enabled(const struct sock *sk, const struct dst_entry *dst)
{
	return READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_ecn) ||
	       dst_feature(dst, DST_FEATURE_ECN_MASK);
}

static bool lq_syn_ecn(const struct sock *sk, const struct sk_buff *skb,
		       const struct dst_entry *dst)
{
	const struct tcphdr *th = tcp_hdr(skb);
	const u32 feature = dst_feature(dst, DST_FEATURE_ECN_MASK);
	const struct lq_ecn ecn = {
		.ece_cwr = th->ece && th->cwr,
		.reserved_bits = th->res1,
		.ect = !INET_ECN_is_not_ect(TCP_SKB_CB(skb)->ip_dsfield),
		.enabled = lq_ecn_enabled(sk, dst),
		.needed = tcp_ca_needs_ecn(sk) || (feature & DST_FEATURE_ECN_CA),
	};

	return lq_core_ecn(&ecn);
}

static void lq_syn_fill(const struct lq_listener *lst, const struct sk_buff *skb,
			const struct lq_syn *syn, const struct lq_options *options,
			struct lq_request *request)
{
	const struct sock *sk = lst->sk;

	request->rcv_isn = syn->seq;
	request->ts_recent = options->tsval;
	request->mss = options->mss;
	request->flags = options->flags | (syn->key.v6 ? LQ_REQ_V6 : 0);
	request->wscale = options->wscale;
	request->peer_port = syn->key.peer_port;
	request->syn_tos = TCP_SKB_CB(skb)->ip_dsfield;
	request->mark = inet_request_mark(sk, (struct sk_buff *)skb);
	request->ifindex = inet_request_bound_dev_if(sk, (struct sk_buff *)skb);
	request->num_retrans = 0;
	request->num_timeout = 0;
	memcpy(lq_request_addresses(request), syn->key.addr, syn->key.v6 ? 32 : 8);
#if IS_ENABLED(CONFIG_IPV6)
	/* Link-local addresses mean something on one link only: tcp_v6_init_req(). */
	if (syn->key.v6 &&
	    (!sk->sk_bound_dev_if || ipv6_l3mdev_skb(TCP_SKB_CB(skb)->header.h6.flags)) &&
	    ipv6_addr_type(&ipv6_hdr(skb)->saddr) & IPV6_ADDR_LINKLOCAL)
		request->ifindex = tcp_v6_iif(skb);
#endif
}

struct dst_entry *lq_request_route(const struct sock *sk, struct tcp_request_sock *treq,
				   struct flowi *fl)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (treq->req.ireq_family == AF_INET6)
		return inet6_csk_route_req(sk, &fl->u.ip6, &treq->req.req, IPPROTO_TCP);
#endif
	return inet_csk_route_req(sk, &fl->u.ip4, &treq->req.req);
}

/*
 * Fill @request for the SYN and find the route back, for a cookie as well as
 * for the queue. Returns the reason that it cannot be answered, or 0; then *dst
 * holds a reference and *tsval is what the SYN-ACK's timestamp starts from.
 */
static u8 lq_syn_build(struct lq_listener *lst, struct sk_buff *skb, const struct lq_syn *syn,
		       const struct lq_options *options, bool cookie, struct lq_request *request,
		       struct dst_entry **dst, struct flowi *fl, u32 *tsval)
{
	const u32 tw_isn = TCP_SKB_CB(skb)->tcp_tw_isn;
	const __be16 local = htons(inet_sk(lst->sk)->inet_num);
	struct tcp_request_sock treq;
	struct lq_isn isn;

	lq_syn_fill(lst, skb, syn, options, request);
	lq_request_view(&treq, lst, request);
	if (security_inet_conn_request(lst->sk, skb, &treq.req.req))
		return LISTENQ_DROP_LSM;
	*dst = lq_request_route(lst->sk, &treq, fl);
	if (!*dst)
		return LISTENQ_DROP_NO_ROUTE;

	isn = lq_core_isn(&lst->keys, &syn->key, (__force u16)local, ktime_get_real_ns());
	request->snt_isn = tw_isn ? : isn.isn;
	/* 2: timestamps without an offset */
	request->ts_off = READ_ONCE(sock_net(lst->sk)->ipv4.sysctl_tcp_timestamps) == 1
				  ? isn.ts_off : 0;
	if (lq_syn_ecn(lst->sk, skb, *dst))
		request->flags |= LQ_REQ_ECN;
	*tsval = lq_now_tsval();
	if (cookie)
		*tsval = lq_core_cookie(&lst->keys, &syn->key, (__force u16)local, syn->now_s,
					*tsval, request);
	lq_request_window(lst->sk, *dst, request);
	request->stamp_us = lq_now_us();
	return 0;
}

/* LQ_SYN_COOKIE: nothing is kept, so nothing is allocated. */
static void lq_syn_cookie(struct lq_listener *lst, struct sk_buff *skb, const struct lq_syn *syn,
			  const struct lq_options *options)
{
	struct net *net = sock_net(lst->sk);
	union lq_request_copy request;
	struct dst_entry *dst = NULL;
	struct flowi fl;
	u32 tsval;
	u8 reason;

	lq_event_check(lst);
	reason = lq_syn_build(lst, skb, syn, options, true, &request.request, &dst, &fl, &tsval);
	if (reason) {
		spin_lock(&lst->lock);
		lq_core_count_drop(lst->core, reason);
		spin_unlock(&lst->lock);
		lq_syn_drop(lst, &syn->key, reason);
		return;
	}
	NET_INC_STATS(net, LINUX_MIB_SYNCOOKIESSENT);
	lq_count_event(net, LISTENQ_EVENT_COOKIE_SENT);
	lq_synack_send(lst, &request.request, dst, &fl, tsval, false);
}

/* LQ_SYN_NEW: room is reserved. */
static void lq_syn_new(struct lq_listener *lst, struct sk_buff *skb, const struct lq_syn *syn,
		       const struct lq_options *options)
{
	static const u8 reasons[] = {
		[LQ_COMMIT_REFUSED] = LISTENQ_DROP_SYN_LAST_QUARTER,
		[LQ_COMMIT_CLOSED] = LISTENQ_DROP_LISTENER_CLOSED,
	};
	struct lq_request *request = lq_request_alloc(lst->sk, syn->key.v6);
	u8 reason = LISTENQ_DROP_NO_MEMORY;
	struct dst_entry *dst = NULL;
	union lq_request_copy copy;
	enum lq_commit commit;
	struct flowi fl;
	u32 tsval;

	if (request)
		reason = lq_syn_build(lst, skb, syn, options, false, request, &dst, &fl, &tsval);
	if (reason) {
		spin_lock(&lst->lock);
		lq_core_syn_abort(lst->core, reason);
		spin_unlock(&lst->lock);
		lq_request_free(request);
		lq_syn_drop(lst, &syn->key, reason);
		return;
	}
	/* Once committed, the request belongs to the core: the SYN-ACK needs a copy. */
	memcpy(&copy, request, syn->key.v6 ? LQ_REQUEST_SIZE_V6 : LQ_REQUEST_SIZE_V4);

	spin_lock(&lst->lock);
	commit = lq_core_syn_commit(lst->core, syn, request, dst_metric(dst, RTAX_RTT));
	if (commit == LQ_COMMIT_OK)
		lq_timer_arm_locked(lst);
	spin_unlock(&lst->lock);

	switch (commit) {
	case LQ_COMMIT_OK:
		lq_count_event(sock_net(lst->sk), LISTENQ_EVENT_REQUEST_CREATED);
		trace_request(lst, &copy.request);
		lq_synack_send(lst, &copy.request, dst, &fl, tsval, false);
		return;
	case LQ_COMMIT_DUPLICATE:
		lq_count_event(sock_net(lst->sk), LISTENQ_EVENT_SYN_DUPLICATE);
		break;
	default:
		lq_syn_drop(lst, &syn->key, reasons[commit]);
		break;
	}
	dst_release(dst);
	lq_request_free(request);
}

static void lq_syn_duplicate(struct lq_listener *lst, const struct lq_request *request)
{
	lq_count_event(sock_net(lst->sk), LISTENQ_EVENT_SYN_DUPLICATE);
	lq_synack_send(lst, request, NULL, NULL, lq_now_tsval(), true);
}

/* @request made room for another. */
static void lq_syn_evicted(struct lq_listener *lst, struct lq_request *request)
{
	struct lq_key key = {};

	lq_request_key(request, &key);
	lq_count_drop(sock_net(lst->sk), LISTENQ_DROP_REQUEST_EVICTED);
	trace_drop(lst, &key, LISTENQ_DROP_REQUEST_EVICTED);
	lq_event_check(lst);
	lq_request_free(request);
}

/* tcp_v4_conn_request() and tcp_v6_conn_request(): addresses that are never answered. */
static bool lq_syn_answerable(struct sock *sk, const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (skb->protocol == htons(ETH_P_IPV6)) {
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

int lq_conn_request(struct sock *sk, struct sk_buff *skb)
{
	struct lq_listener *lst = lq_listener_of(sk);
	struct lq_options options;
	union lq_request_copy copy;
	enum lq_syn_verdict verdict;
	struct lq_request *freed;
	struct lq_syn syn = {};

	if (!lst)
		return 0; /* detached since TCP looked */
	if (!lq_syn_answerable(sk, skb)) {
		tcp_listendrop(sk);
		return 0;
	}
	lq_syn_key(&syn.key, skb);
	lq_syn_options(sk, skb, syn.key.v6, &options);
	syn.seq = TCP_SKB_CB(skb)->seq;
	syn.saw_tstamp = options.flags & LQ_REQ_TSTAMP;
	syn.tsval = options.tsval;
	syn.from_time_wait = TCP_SKB_CB(skb)->tcp_tw_isn != 0;
	syn.now = lq_now();
	syn.now_s = lq_now_s();
	trace_syn(lst, &syn.key);
	lq_count_event(sock_net(sk), LISTENQ_EVENT_SYN_RECEIVED);

	spin_lock(&lst->lock);
	verdict = lq_core_syn(lst->core, &syn, &copy, &freed);
	spin_unlock(&lst->lock);

	if (syn.cookies_on)
		NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPREQQFULLDOCOOKIES);
	if (syn.reason)
		lq_syn_drop(lst, &syn.key, syn.reason);
	if (freed && verdict == LQ_SYN_NEW)
		lq_syn_evicted(lst, freed);
	else
		lq_request_free(freed);
	switch (verdict) {
	case LQ_SYN_NEW:
		lq_syn_new(lst, skb, &syn, &options);
		return 0;
	case LQ_SYN_COOKIE:
		lq_syn_cookie(lst, skb, &syn, &options);
		return 0;
	case LQ_SYN_DUPLICATE:
		lq_syn_duplicate(lst, &copy.request);
		return 0;
	case LQ_SYN_CHALLENGE:
		lq_challenge_send(lst, skb, &copy.request);
		return 0;
	case LQ_SYN_RESET:
		/* Not by returning an error: TCP need not look at it. */
		lq_compat_send_reset(syn.key.v6 ? sk->sk_prot->rsk_prot : tcp_prot.rsk_prot, sk,
				     skb);
		return 0;
	case LQ_SYN_DROP:
		return 0;
	}
	return 0;
}
