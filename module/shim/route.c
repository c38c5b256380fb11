// SPDX-License-Identifier: GPL-2.0
/*
 * The route back to a peer, remembered for as long as it is good.
 *
 * Each CPU keeps a few routes of its namespace, so a hit touches nothing that
 * another CPU writes. A route is what the addresses, the interface and the DS
 * field ask for; where more than these decides (policy rules, IPsec, multipath
 * by ports) nothing is remembered. Validity is the kernel's own: dst_check(),
 * as for the route that a connection keeps.
 *
 * Invariants: a slot with a dst holds one reference on it.
 * Locking: softirq; a slot belongs to its CPU.
 */
#include <linux/hash.h>
#include <net/inet6_connection_sock.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "listenq.h"

#define LQ_ROUTE_SLOT_BITS 3

struct lq_route_slot {
	struct dst_entry *dst;
	u64 listener; /* its id: routes depend on the flags of the sock, too */
	u32 cookie;   /* IPv6: rt6_get_cookie() */
	u32 ifindex;
	u32 addr[8];  /* as lq_request_addresses() */
	u32 kind;     /* lq_route_kind() */
	u16 advmss;
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

/* Whether addresses, interface and DS field are all that decides. */
static bool lq_route_is_plain(const struct sock *sk, bool v6)
{
	const struct net *net = sock_net(sk);

#ifdef CONFIG_XFRM
	if (net->xfrm.policy_count[XFRM_POLICY_OUT])
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
	return !READ_ONCE(net->ipv4.sysctl_fib_multipath_hash_policy);
#else
	return true;
#endif
}

/* What else of the sock the kernel's lookup goes by. */
static u32 lq_route_kind(const struct sock *sk, bool v6)
{
	return READ_ONCE(inet_sk(sk)->tos) | sock_flag(sk, SOCK_LOCALROUTE) << 8 |
	       inet_sk_flowi_flags(sk) << 16 | v6 << 24;
}

static bool lq_route_matches(const struct lq_route_slot *slot, const struct lq_listener *lst,
			     const struct lq_request *request, bool v6)
{
	const u32 *addr = (const u32 *)lq_request_addresses(request);

	return slot->dst && slot->addr[0] == addr[0] && slot->addr[1] == addr[1] &&
	       (!v6 || !memcmp(slot->addr + 2, addr + 2, 24)) && slot->listener == READ_ONCE(lst->id) &&
	       slot->ifindex == request->ifindex && slot->kind == lq_route_kind(lst->sk, v6);
}

static void lq_route_remember(struct lq_route_slot *slot, const struct lq_listener *lst,
			      const struct lq_request *request, bool v6,
			      const struct lq_route *route)
{
	dst_release(slot->dst);
	slot->dst = route->dst;
	slot->listener = READ_ONCE(lst->id);
	slot->cookie = 0;
#if IS_ENABLED(CONFIG_IPV6)
	if (v6)
		slot->cookie = rt6_get_cookie((const struct rt6_info *)route->dst);
#endif
	slot->ifindex = request->ifindex;
	memcpy(slot->addr, lq_request_addresses(request), v6 ? 32 : 8);
	slot->advmss = route->advmss;
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
		if (lq_route_matches(slot, lst, request, v6) &&
		    dst_check(slot->dst, slot->cookie)) {
			*route = (struct lq_route) {
				.dst = slot->dst,
				.advmss = slot->advmss,
			};
			return true;
		}
	}
	route->dst = lq_route_ask(lst, request);
	if (!route->dst)
		return false;
	route->advmss = tcp_dst_advmss(route->dst);
	route->owned = !slot || route->dst->xfrm;
	if (!route->owned)
		lq_route_remember(slot, lst, request, v6, route);
	return true;
}
