// SPDX-License-Identifier: GPL-2.0
/* Memory for requests, and a request as the kernel's own helpers want to see it. */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include <net/transp_v6.h>

#include "../compat/compat.h"
#include "listener.h"
#include "request.h"

static struct kmem_cache *lq_cache_v4;
static struct kmem_cache *lq_cache_v6;

int lq_request_init(void)
{
	lq_cache_v4 = kmem_cache_create("listenq_request_v4", LQ_REQUEST_SIZE_V4, 0, 0, NULL);
	if (!lq_cache_v4)
		return -ENOMEM;
	lq_cache_v6 = kmem_cache_create("listenq_request_v6", LQ_REQUEST_SIZE_V6, 0, 0, NULL);
	if (!lq_cache_v6) {
		kmem_cache_destroy(lq_cache_v4);
		return -ENOMEM;
	}
	return 0;
}

void lq_request_exit(void)
{
	kmem_cache_destroy(lq_cache_v6);
	kmem_cache_destroy(lq_cache_v4);
}

/*
 * To the account of the memory cgroup that the listening socket was made in, which the sock holds;
 * in softirq nobody else would be charged, and with a TUN device whoever writes to it. Not as
 * GFP_ATOMIC, whose __GFP_HIGH goes over the cgroup's limit (try_charge_memcg()).
 */
static struct lq_request *lq_request_alloc_from(struct kmem_cache *cache, const struct sock *sk)
{
#ifdef CONFIG_MEMCG
	struct mem_cgroup *outer;
	struct lq_request *request;

	if (sk->sk_memcg) {
		outer = set_active_memcg(sk->sk_memcg);
		request = kmem_cache_alloc(cache, GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT);
		set_active_memcg(outer);
		return request;
	}
#endif
	return kmem_cache_alloc(cache, GFP_ATOMIC | __GFP_NOWARN);
}

struct lq_request *lq_request_alloc(const struct sock *sk, bool v6)
{
	struct lq_request *request = lq_request_alloc_from(v6 ? lq_cache_v6 : lq_cache_v4, sk);

	/* lq_request_free() goes by it, whatever else is filled. */
	if (request)
		request->flags = v6 ? LQ_REQ_V6 : 0;
	return request;
}

void lq_request_free(struct lq_request *request)
{
	if (request)
		kmem_cache_free(request->flags & LQ_REQ_V6 ? lq_cache_v6 : lq_cache_v4, request);
}

void lq_request_key(const struct lq_request *request, struct lq_key *key)
{
	key->v6 = !!(request->flags & LQ_REQ_V6);
	key->peer_port = request->peer_port;
	memcpy(key->addr, lq_request_addresses(request), key->v6 ? 32 : 8);
}

/*
 * tcp_create_openreq_child() may ask whether the request is signed. It never
 * is: lq_listener_listen() refuses sockets with keys.
 */
#ifdef CONFIG_TCP_MD5SIG
static struct tcp_md5sig_key *lq_no_md5(const struct sock *sk, const struct sock *addr_sk)
{
	return NULL;
}
#endif

static const struct tcp_request_sock_ops lq_unsigned = {
#ifdef CONFIG_TCP_MD5SIG
	.req_md5_lookup = lq_no_md5,
#endif
};

/* What cipso_v4_req_setattr() and calipso_req_setattr() leave in a request. */
bool lq_request_view_unlabel(struct inet_request_sock *ireq)
{
	struct ip_options_rcu *v4;

#if IS_ENABLED(CONFIG_IPV6)
	if (ireq->ireq_family == AF_INET6) {
		struct ipv6_txoptions *v6 = xchg(&ireq->ipv6_opt, NULL);

		if (likely(!v6))
			return false;
		/* Charged to the listener. */
		atomic_sub(v6->tot_len, &ireq->req.rsk_listener->sk_omem_alloc);
		txopt_put(v6);
		return true;
	}
#endif
	v4 = unrcu_pointer(xchg(&ireq->ireq_opt, NULL));
	if (likely(!v4))
		return false;
	kfree_rcu(v4, rcu);
	return true;
}

/* @ireq is zeroed. */
static __always_inline void lq_request_view_fill(struct inet_request_sock *ireq,
						 const struct lq_listener *lst,
						 const struct lq_request *request)
{
	struct request_sock *req = &ireq->req;
	struct sock *sk = lst->sk;
	const u8 *addresses = lq_request_addresses(request);
	const bool v6 = request->flags & LQ_REQ_V6;

	req->rsk_listener = sk;
	req->rsk_ops = v6 ? sk->sk_prot->rsk_prot : tcp_prot.rsk_prot;
	write_pnet(&ireq->ireq_net, sock_net(sk));
	ireq->ireq_state = TCP_NEW_SYN_RECV;
	ireq->ireq_family = v6 ? AF_INET6 : AF_INET;
	ireq->ir_num = inet_sk(sk)->inet_num;
	ireq->ir_rmt_port = (__force __be16)request->peer_port;
	ireq->ir_iif = request->ifindex;
	ireq->ir_mark = request->mark;
	ireq->no_srccheck = lq_compat_transparent(sk);
	if (v6) {
		memcpy(&ireq->ir_v6_rmt_addr, addresses, sizeof(struct in6_addr));
		memcpy(&ireq->ir_v6_loc_addr, addresses + sizeof(struct in6_addr),
		       sizeof(struct in6_addr));
	} else {
		ireq->ir_rmt_addr = (__force __be32)request->addr[0];
		ireq->ir_loc_addr = (__force __be32)request->addr[1];
	}
}

void lq_request_view(struct inet_request_sock *ireq, const struct lq_listener *lst,
		     const struct lq_request *request)
{
	memset(ireq, 0, sizeof(*ireq));
	lq_request_view_fill(ireq, lst, request);
}

/*
 * The addresses of the other family, which a child of a request has from it since mainline 6.15:
 * inet_csk_clone_lock(). As tcp_v4_init_req() and tcp_v6_init_req() fill them; no declaration
 * tells, and kernels before take no notice.
 */
static __always_inline void lq_request_view_mapped(struct inet_request_sock *ireq)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (ireq->ireq_family == AF_INET6) {
		ireq->ir_rmt_addr = LOOPBACK4_IPV6;
		ireq->ir_loc_addr = LOOPBACK4_IPV6;
		return;
	}
	ipv6_addr_set_v4mapped(ireq->ir_rmt_addr, &ireq->ir_v6_rmt_addr);
	ipv6_addr_set_v4mapped(ireq->ir_loc_addr, &ireq->ir_v6_loc_addr);
#endif
}

void lq_request_view_tcp(struct tcp_request_sock *treq, const struct lq_listener *lst,
			 const struct lq_request *request)
{
	struct inet_request_sock *ireq = &treq->req;
	struct request_sock *req = &ireq->req;

	memset(treq, 0, sizeof(*treq));
	lq_request_view_fill(ireq, lst, request);
	lq_request_view_mapped(ireq);
	req->mss = request->mss;
	req->num_retrans = request->num_retrans;
	req->num_timeout = min_t(u8, request->num_timeout, 127);
	req->ts_recent = request->ts_recent;
	req->rsk_rcv_wnd = request->rcv_wnd;
	req->rsk_window_clamp = (u32)request->window_clamp << (request->wscale >> 4);

	ireq->tstamp_ok = !!(request->flags & LQ_REQ_TSTAMP);
	ireq->wscale_ok = !!(request->flags & LQ_REQ_WSCALE);
	ireq->sack_ok = !!(request->flags & LQ_REQ_SACK);
	ireq->ecn_ok = !!(request->flags & LQ_REQ_ECN);
	ireq->snd_wscale = request->wscale & 15;
	ireq->rcv_wscale = request->wscale >> 4;

	treq->af_specific = &lq_unsigned;
	treq->rcv_isn = request->rcv_isn;
	treq->rcv_nxt = request->rcv_isn + 1;
	treq->snt_isn = request->snt_isn;
	treq->ts_off = request->ts_off;
	treq->syn_tos = request->syn_tos;
	lq_compat_no_usec_ts(treq);
}
