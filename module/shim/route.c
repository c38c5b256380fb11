// SPDX-License-Identifier: GPL-2.0
/*
 * The route back to a peer, remembered where it is sure that the kernel would give the same again.
 *
 * Each CPU keeps a few routes of its namespace, so a hit touches nothing that another CPU writes.
 * inet_csk_route_req() and inet6_csk_route_req() ask much more than the addresses; all of it is
 * in one of these classes:
 *
 *   compared    in the slot, with each hit
 *   plain       lq_route_is_plain(), with each hit: while it is in use, nothing is remembered
 *   lasting     lq_route_is_lasting(), when it is remembered: what may change unseen is not
 *   dst_check() the kernel's own: a change of this makes every route a stale one
 *
 *   addresses                                         compared
 *   interface that the request is bound to            compared
 *   interface that the sock is bound to (IPv6 strict) compared: kind
 *   DS field: ip_sock_rt_tos()                        compared: kind
 *   SOCK_LOCALROUTE: ip_sock_rt_scope()               compared: kind
 *   transparent, freebind: inet_sk_flowi_flags()      compared: kind
 *   preferred sources (IPv6)                          the request has its source
 *   flow label                                        0 in a request's lookup
 *   ports                                             plain: no rules, no hash policy but 0
 *   mark, uid, l3mdev                                 plain: rules alone look at them
 *   label of an LSM: security_req_classify_flow()     plain: policies of IPsec alone look at it
 *   routing header (IPv6), by options of the sock     plain: no options
 *   source route (IPv4), by options of the request    ours have none
 *   IPsec policies of the namespace, or their default plain: none, and accept
 *   IPsec policy of the sock                          plain: none
 *   a bundle of IPsec                                 lasting: none
 *   state of neighbours in a multipath route          plain: no fib_multipath_use_neigh
 *   state of a gateway: fib_select_default(),         lasting: no gateway
 *   rt6_score_route()
 *   redirects                                         lasting: only a gateway is redirected
 *   an optimistic address (IPv6): its neighbours      lasting: no optimistic_dad
 *   routes, rules, addresses, devices and carriers    dst_check()
 *   path MTU                                          dst_check(), and the route knows it
 *   expiry of a route (IPv6)                          dst_check()
 *   device MTU, min_adv_mss                           not of the route: advmss is asked anew
 *
 * A held route does not hold its device: the kernel takes that away from it (dst_dev_put()).
 *
 * Most clients of a public server are strangers, of whom no slot knows. But all that are behind one
 * next hop have one route for each CPU, which the kernel keeps there: for them the FIB is asked for the
 * next hop (lq_route_by_fib()), and what the kernel would ask besides is known to be plain. A slot
 * is only for who comes again: the first time leaves the address, the second the route.
 *
 * Invariants: a slot with a dst holds one reference on it.
 * Locking: softirq; a slot belongs to its CPU.
 */
#include <linux/hash.h>
#include <net/inet6_connection_sock.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "../compat/compat.h"
#include "listener.h"
#include "request.h"
#include "route.h"
#include "route_fib.h"

#define LQ_ROUTE_SLOT_BITS 3
/* On PREEMPT_RT one softirq may preempt another on its CPU (6.18): the slots would be nobody's own. */
#define LQ_ROUTE_REMEMBERS !IS_ENABLED(CONFIG_PREEMPT_RT)

struct lq_route_slot {
	struct dst_entry *dst;
	u64 listener; /* its id: routes depend on the flags of the sock, too */
	u32 cookie;   /* IPv6: rt6_get_cookie() */
	u32 ifindex;
	u32 addr[8];  /* as lq_request_addresses() */
	u32 kind;     /* lq_route_kind() */
	u32 stranger; /* lq_route_peer() of whom lq_route_by_fib() last found the way to */
};

struct lq_route_cache {
	struct lq_route_slot slots[1 << LQ_ROUTE_SLOT_BITS];
};

struct lq_route_cache __percpu *lq_route_cache_alloc(void)
{
	return alloc_percpu_gfp(struct lq_route_cache, GFP_KERNEL_ACCOUNT);
}

void lq_route_cache_free(struct lq_route_cache __percpu *cache)
{
	int cpu, i;

	if (!cache)
		return;
	for_each_possible_cpu(cpu) {
		for (i = 0; i < 1 << LQ_ROUTE_SLOT_BITS; i++)
			dst_release(per_cpu_ptr(cache, cpu)->slots[i].dst);
	}
	free_percpu(cache);
}

/* Whether nothing is in use that a slot does not compare. */
static bool lq_route_is_plain(const struct sock *sk, bool v6)
{
	const struct net *net = sock_net(sk);

#ifdef CONFIG_XFRM
	if (net->xfrm.policy_count[XFRM_POLICY_OUT] ||
	    READ_ONCE(net->xfrm.policy_default[XFRM_POLICY_OUT]) == XFRM_USERPOLICY_BLOCK ||
	    rcu_access_pointer(sk->sk_policy[XFRM_POLICY_OUT]))
		return false;
#endif
#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
#ifdef CONFIG_IPV6_MULTIPLE_TABLES
		if (net->ipv6.fib6_has_custom_rules)
			return false;
#endif
		/* A routing header has a first hop of its own. */
		return !READ_ONCE(net->ipv6.sysctl.multipath_hash_policy) &&
		       !(inet6_sk(sk) && rcu_access_pointer(inet6_sk(sk)->opt));
	}
#endif
#ifdef CONFIG_IP_MULTIPLE_TABLES
	if (net->ipv4.fib_has_custom_rules)
		return false;
#endif
#ifdef CONFIG_IP_ROUTE_MULTIPATH
	return !READ_ONCE(net->ipv4.sysctl_fib_multipath_hash_policy) &&
	       !READ_ONCE(net->ipv4.sysctl_fib_multipath_use_neigh);
#else
	return true;
#endif
}

/* Whether @dst stays the answer for as long as dst_check() finds nothing. */
static bool lq_route_is_lasting(const struct dst_entry *dst, bool v6)
{
	if (dst_xfrm(dst))
		return false;
#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		if (lq_route_may_be_optimistic(dst->dev))
			return false;
		return !(((const struct rt6_info *)dst)->rt6i_flags & RTF_GATEWAY);
	}
#endif
	return !((const struct rtable *)dst)->rt_gw_family &&
	       !((const struct rtable *)dst)->rt_uses_gateway;
}

/* What else of the sock the kernel's lookup goes by. */
static u32 lq_route_kind(const struct sock *sk, bool v6)
{
	return READ_ONCE(inet_sk(sk)->tos) | sock_flag(sk, SOCK_LOCALROUTE) << 8 |
	       inet_sk_flowi_flags(sk) << 16 | v6 << 24 | !!READ_ONCE(sk->sk_bound_dev_if) << 25;
}

static bool lq_route_matches(const struct lq_route_slot *slot, const struct lq_listener *lst,
			     const struct lq_request *request, bool v6)
{
	const u32 *addr = (const u32 *)lq_request_addresses(request);

	return slot->dst && slot->addr[0] == addr[0] && slot->addr[1] == addr[1] &&
	       (!v6 || !memcmp(slot->addr + 2, addr + 2, 24)) && slot->listener == READ_ONCE(lst->id) &&
	       slot->ifindex == request->ifindex && slot->kind == lq_route_kind(lst->sk, v6);
}

static void lq_route_forget(struct lq_route_slot *slot)
{
	dst_release(slot->dst);
	slot->dst = NULL;
}

static void lq_route_remember(struct lq_route_slot *slot, const struct lq_listener *lst,
			      const struct lq_request *request, bool v6, struct dst_entry *dst)
{
	dst_release(slot->dst);
	slot->dst = dst;
	slot->listener = READ_ONCE(lst->id);
	slot->cookie = 0;
#if IS_ENABLED(CONFIG_IPV6)
	if (v6)
		slot->cookie = rt6_get_cookie((const struct rt6_info *)dst);
#endif
	slot->ifindex = request->ifindex;
	memcpy(slot->addr, lq_request_addresses(request), v6 ? 32 : 8);
	slot->kind = lq_route_kind(lst->sk, v6);
}

static struct dst_entry *lq_route_ask(const struct lq_listener *lst,
				      const struct lq_request *request)
{
	struct inet_request_sock ireq LQ_UNINITIALIZED;
	struct flowi fl;

	lq_request_view(&ireq, lst, request);
#if IS_ENABLED(CONFIG_IPV6)
	if (ireq.ireq_family == AF_INET6)
		return inet6_csk_route_req(lst->sk, &fl.u.ip6, &ireq.req, IPPROTO_TCP);
#endif
	return inet_csk_route_req(lst->sk, &fl.u.ip4, &ireq.req);
}

static struct lq_route_slot *lq_route_slot(const struct lq_net *lqn, u32 peer)
{
	return &this_cpu_ptr(lqn->routes)->slots[hash_32(peer, LQ_ROUTE_SLOT_BITS)];
}

static u32 lq_route_peer(const u32 *addr, bool v6)
{
	return addr[0] ^ (v6 ? addr[1] ^ addr[2] ^ addr[3] : 0);
}

static bool lq_route_find_by_fib(const struct lq_listener *lst, const struct lq_request *request,
				 struct lq_route_slot *slot, u32 peer, bool delivered,
				 struct lq_route *route)
{
	const bool v6 = request->flags & LQ_REQ_V6;
	struct dst_entry *dst = lq_route_by_fib(sock_net(lst->sk), lq_request_addresses(request), v6,
						delivered);

	if (!dst)
		return false;
	*route = (struct lq_route) { .dst = dst };
	if (!LQ_ROUTE_REMEMBERS)
		return true;
	if (slot->stranger != peer)
		slot->stranger = peer;
	else if (lq_route_is_lasting(dst, v6) && dst_hold_safe(dst))
		lq_route_remember(slot, lst, request, v6, dst);
	return true;
}

/* Whether the sock asks for nothing of its own: its lookup is by the addresses alone. */
static bool lq_route_is_common(const struct lq_listener *lst, const struct lq_request *request, bool v6)
{
	return !request->ifindex && lq_route_kind(lst->sk, v6) == (u32)v6 << 24;
}

void lq_route_hold(const struct lq_listener *lst, const struct lq_request *request,
		   struct lq_route *route)
{
	/* Nobody but the FIB may hold it, which lets go of it as routes change. */
	if (!route->owned && !dst_hold_safe(route->dst))
		route->dst = lq_route_ask(lst, request);
	route->owned = true;
}

bool lq_route_find(const struct lq_listener *lst, const struct lq_request *request, bool delivered,
		   struct lq_route *route)
{
	const bool v6 = request->flags & LQ_REQ_V6;
	struct lq_route_slot *slot = NULL;

	if (lq_route_is_plain(lst->sk, v6)) {
		const u32 peer = lq_route_peer((const u32 *)lq_request_addresses(request), v6);

		slot = lq_route_slot(lst->lqn, peer);
		if (LQ_ROUTE_REMEMBERS && lq_route_matches(slot, lst, request, v6)) {
			if (likely(dst_check(slot->dst, slot->cookie))) {
				*route = (struct lq_route) { .dst = slot->dst };
				return true;
			}
			lq_route_forget(slot);
		}
		if (lq_route_is_common(lst, request, v6) &&
		    lq_route_find_by_fib(lst, request, slot, peer, delivered, route))
			return true;
	}
	route->dst = lq_route_ask(lst, request);
	if (!route->dst)
		return false;
	route->advmss = 0;
	route->owned = !LQ_ROUTE_REMEMBERS || !slot || !lq_route_is_lasting(route->dst, v6);
	if (!route->owned)
		lq_route_remember(slot, lst, request, v6, route->dst);
	return true;
}
