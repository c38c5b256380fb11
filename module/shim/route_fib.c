// SPDX-License-Identifier: GPL-2.0
/*
 * All peers behind one next hop have one route for each CPU, which the kernel keeps there. So for a peer
 * of whom nothing is remembered the FIB is asked for the next hop only. This is what
 * ip_route_output_key_hash_rcu() and ip6_pol_route() go through, where nothing depends on the peer but
 * the longest prefix: there is one way, no peer behind it is an exception (path MTU, redirect), and the
 * route is there already. Where one of these is not so, the kernel makes the route, and chooses.
 */
#include <linux/inetdevice.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/ipv6.h>
#include <net/nexthop.h>
#include <net/route.h>

#include "../compat/compat.h"
#include "../compat/fib6.h"
#include "route_fib.h"

#ifdef LQ_HAVE_FIB4_LOOKUP
static struct fib_table *lq_fib_main(struct net *net)
{
#ifdef CONFIG_IP_MULTIPLE_TABLES
	return rcu_dereference(net->ipv4.fib_main);
#else
	return fib_get_table(net, RT_TABLE_MAIN);
#endif
}

static struct dst_entry *lq_route_by_fib_v4(struct net *net, const __be32 *addresses, bool delivered)
{
	struct flowi4 fl4 = {
		.flowi4_iif = LOOPBACK_IFINDEX,
		.flowi4_scope = RT_SCOPE_UNIVERSE,
		.flowi4_proto = IPPROTO_TCP,
		.daddr = addresses[0],
		.saddr = addresses[1],
	};
	struct fib_result res LQ_UNINITIALIZED;
	const struct fib_nh_common *nhc;
	struct fib_table *table;
	struct rtable *rt;

	if (ipv4_is_loopback(fl4.saddr) || ipv4_is_zeronet(fl4.daddr) ||
	    ipv4_is_multicast(fl4.daddr) || ipv4_is_lbcast(fl4.daddr))
		return NULL;
	if (!delivered && !__ip_dev_find(net, fl4.saddr, false))
		return NULL;
	/* fib_lookup() without rules, but for a table that is hardly ever there */
	table = lq_fib_main(net);
	if (!table || fib_table_lookup(table, &fl4, &res, FIB_LOOKUP_NOREF))
		return NULL;
	/* One way for all: neither fib_select_multipath() nor fib_select_default(). */
	if (res.type != RTN_UNICAST || fib_info_num_path(res.fi) != 1 ||
	    (!res.prefixlen && READ_ONCE(res.table->tb_num_default) > 1))
		return NULL;
	nhc = res.nhc;
	if (!nhc->nhc_pcpu_rth_output || rcu_access_pointer(nhc->nhc_exceptions))
		return NULL;
	rt = rcu_dereference(*raw_cpu_ptr(nhc->nhc_pcpu_rth_output));
	return rt ? dst_check(&rt->dst, 0) : NULL;
}
#else
static inline struct dst_entry *lq_route_by_fib_v4(struct net *net, const __be32 *addresses,
						   bool delivered)
{
	return NULL;
}
#endif

#if IS_ENABLED(CONFIG_IPV6) && defined(lq_compat_fib6_lookup)
static struct dst_entry *lq_route_by_fib_v6(struct net *net, const struct in6_addr *addresses)
{
	const int reachable = READ_ONCE(net->ipv6.devconf_all->forwarding) ? 0 : RT6_LOOKUP_F_REACHABLE;
	struct flowi6 fl6 = {
		.flowi6_iif = LOOPBACK_IFINDEX,
		.flowi6_proto = IPPROTO_TCP,
		.daddr = addresses[0],
		.saddr = addresses[1],
	};
	struct fib6_result res = {};
	struct rt6_info *rt;

	/* What is not for one link only: rt6_need_strict() */
	if (ipv6_addr_type(&fl6.daddr) & (IPV6_ADDR_MULTICAST | IPV6_ADDR_LINKLOCAL | IPV6_ADDR_LOOPBACK))
		return NULL;
	if (lq_compat_fib6_lookup(net, 0, &fl6, &res, reachable) || !res.nh ||
	    res.f6i == net->ipv6.fib6_null_entry || res.fib6_flags & RTF_REJECT)
		return NULL;
	/* One way for all: not fib6_select_path(). */
	if (res.f6i->nh || READ_ONCE(res.f6i->fib6_nsiblings) || !res.nh->rt6i_pcpu ||
	    rcu_access_pointer(res.nh->rt6i_exception_bucket))
		return NULL;
	rt = READ_ONCE(*raw_cpu_ptr(res.nh->rt6i_pcpu));
	if (!rt || rt->dst.error || lq_route_may_be_optimistic(rt->dst.dev))
		return NULL;
	return dst_check(&rt->dst, rt6_get_cookie(rt));
}
#else
static inline struct dst_entry *lq_route_by_fib_v6(struct net *net, const struct in6_addr *addresses)
{
	return NULL;
}
#endif

struct dst_entry *lq_route_by_fib(struct net *net, const u8 *addresses, bool v6, bool delivered)
{
	if (v6)
		return lq_route_by_fib_v6(net, (const struct in6_addr *)addresses);
	return lq_route_by_fib_v4(net, (const __be32 *)addresses, delivered);
}
