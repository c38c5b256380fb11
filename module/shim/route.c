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

#define LQ_ROUTE_SLOT_BITS 3

struct lq_route_slot {
	struct dst_entry *dst;
	u64 listener; /* its id: routes depend on the flags of the sock, too */
	u32 cookie;   /* IPv6: rt6_get_cookie() */
	u32 ifindex;
	u32 addr[8];  /* as lq_request_addresses() */
	u32 kind;     /* lq_route_kind() */
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
#ifdef CONFIG_IPV6_OPTIMISTIC_DAD
		const struct inet6_dev *idev = __in6_dev_get(dst->dev);

		if (!idev || READ_ONCE(idev->cnf.optimistic_dad) ||
		    READ_ONCE(dev_net(dst->dev)->ipv6.devconf_all->optimistic_dad))
			return false;
#endif
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

bool lq_route_find(const struct lq_listener *lst, const struct lq_request *request,
		   struct lq_route *route)
{
	const bool v6 = request->flags & LQ_REQ_V6;
	const u32 *addr = (const u32 *)lq_request_addresses(request);
	struct lq_route_slot *slot = NULL;

	if (lq_route_is_plain(lst->sk, v6)) {
		const u32 hash = hash_32(addr[0] ^ (v6 ? addr[1] ^ addr[2] ^ addr[3] : 0),
					 LQ_ROUTE_SLOT_BITS);

		slot = &this_cpu_ptr(lst->lqn->routes)->slots[hash];
		if (lq_route_matches(slot, lst, request, v6)) {
			if (likely(dst_check(slot->dst, slot->cookie))) {
				*route = (struct lq_route) { .dst = slot->dst };
				return true;
			}
			lq_route_forget(slot);
		}
	}
	route->dst = lq_route_ask(lst, request);
	if (!route->dst)
		return false;
	route->advmss = 0;
	route->owned = !slot || !lq_route_is_lasting(route->dst, v6);
	if (!route->owned)
		lq_route_remember(slot, lst, request, v6, route->dst);
	return true;
}
