/* SPDX-License-Identifier: GPL-2.0 */
/* The route back to a peer. */
#ifndef LISTENQ_ROUTE_H
#define LISTENQ_ROUTE_H

#include <net/dst.h>

#include "listener.h"

/* Good until softirqs are on again or the RCU read section ends, unless it is owned. */
struct lq_route {
	struct dst_entry *dst;
	u16 advmss; /* bytes: what we take in one segment there; 0: lq_synack_mss() asks */
	bool owned; /* dst is a reference of ours */
};

struct lq_route_cache __percpu *lq_route_cache_alloc(void); /* NULL without memory */
void lq_route_cache_free(struct lq_route_cache __percpu *cache); /* NULL is fine */

/*
 * Softirq, RCU: the route back to the peer of @request. @delivered: in this softirq a segment from there
 * has come here, so the address it came to is ours still. False: there is no route.
 */
bool lq_route_find(const struct lq_listener *lst, const struct lq_request *request, bool delivered,
		   struct lq_route *route);
/* Softirq, RCU: @route->dst gets a reference of its own, or is NULL, if there is no way any more. */
void lq_route_hold(const struct lq_listener *lst, const struct lq_request *request,
		   struct lq_route *route);
static inline void lq_route_put(struct lq_route *route)
{
	if (route->owned)
		dst_release(route->dst);
}

#endif
