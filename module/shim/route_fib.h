/* SPDX-License-Identifier: GPL-2.0 */
/* The route that a next hop has on this CPU, by the kernel's FIB. */
#ifndef LISTENQ_ROUTE_FIB_H
#define LISTENQ_ROUTE_FIB_H

#include <net/addrconf.h>
#include <net/dst.h>
#include <net/net_namespace.h>

/*
 * Softirq, RCU: the route from us to a peer, without a reference: good until the RCU read section ends,
 * and to be held by dst_hold_safe() only, as the FIB may let go of it. NULL: the kernel is to be asked.
 *
 * For a lookup that depends on the addresses alone: no rules, marks, interfaces, DS field, IPsec, hash
 * policies, options; see route.c. @addresses: as lq_request_addresses(). @delivered: lq_route_find().
 */
struct dst_entry *lq_route_by_fib(struct net *net, const u8 *addresses, bool v6, bool delivered);

#if IS_ENABLED(CONFIG_IPV6)
/* RCU: whether an address of @dev may be in use before it is known to be nobody else's (RFC 4429). */
static inline bool lq_route_may_be_optimistic(const struct net_device *dev)
{
#ifdef CONFIG_IPV6_OPTIMISTIC_DAD
	const struct inet6_dev *idev = __in6_dev_get(dev);

	return !idev || READ_ONCE(idev->cnf.optimistic_dad) ||
	       READ_ONCE(dev_net(dev)->ipv6.devconf_all->optimistic_dad);
#else
	return false;
#endif
}
#endif

#endif
