// SPDX-License-Identifier: GPL-2.0
/*
 * A segment comes to TCP: while anybody listens, our handlers stand before TCP's
 * in the kernel's tables of protocols (inet_protos[], inet6_protos[]), and take
 * a listener's segments.
 *
 * By then a segment has passed every netfilter hook, and raw sockets have their
 * copies. One that has a connection's socket, from early demux, costs a look at
 * that and a jump.
 */
#include <linux/module.h>
#include <linux/static_call.h>
#include <net/protocol.h>

#include "hook.h"
#include "icmp.h"
#include "listener.h"
#include "net.h"
#include "ports.h"
#include "receive.h"
#include "route.h"
#include "segment.h"

static int lq_no_handler(struct sk_buff *skb)
{
	kfree_skb(skb);
	return 0;
}

/*
 * TCP's handlers, known before ours are in the tables: jumps, where pointers would be retpolines.
 * Who comes by an entry of a table has no address from there that leads to these, or to lq_tcp_err_*:
 * a CPU may have read them before the entry. So whenever they change, a grace period ends before the
 * entry is in its place (lq_hook_wait()), which is sure on any CPU, and costs a segment nothing.
 */
DEFINE_STATIC_CALL(lq_tcp_v4, lq_no_handler);
DEFINE_STATIC_CALL(lq_tcp_v6, lq_no_handler);

/* NULL for most segments: they have a connection, or are for a port where none of ours listens. */
static __always_inline struct lq_net *lq_may_be_ours(const struct sk_buff *skb)
{
	const struct tcphdr *th = (const struct tcphdr *)skb->data;
	struct lq_net *lqn;

	/* Transparent proxies and BPF hand over the listener itself, whatever the port. */
	if (skb->sk)
		/* A sockmap may have it from before: its shards were there before it listened. */
		return inet_sk_state_load(skb->sk) == TCP_LISTEN && lq_listener_of(skb->sk)
			       ? lq_net_rcu(dev_net(skb->dev)) : NULL;
	lqn = lq_net_rcu(dev_net(skb->dev));
	if (unlikely(skb_headlen(skb) < sizeof(*th)))
		return lqn;
	return lq_port_in_use(&lqn->ports, th->dest) ? lqn : NULL;
}

/* False: @skb is TCP's. */
static __always_inline bool lq_received(struct sk_buff *skb, enum lq_received received)
{
	if (received == LQ_RECEIVED_DROP) {
		/* Who takes a segment has counted it. */
		__TCP_INC_STATS(dev_net(skb->dev), TCP_MIB_INSEGS);
		kfree_skb(skb);
	}
	return received != LQ_RECEIVED_PASS;
}

/* net_protocol.handler; data at the TCP header. Softirq, RCU. */
static int lq_hook_v4(struct sk_buff *skb)
{
	struct lq_net *lqn = lq_may_be_ours(skb);

	if (lqn && lq_received(skb, lq_receive_v4(lqn, skb)))
		return 0;
	return static_call(lq_tcp_v4)(skb);
}

/* @changed: what our handlers go on with. */
static void lq_hook_wait(bool changed)
{
	if (changed)
		synchronize_rcu();
}

/*
 * The kernel's entry; ours is the same with another handler. lq_hook_mutex. Readers that found ours the
 * last time may be at it while it is written again: with what it had, but for a moment of TCP's own
 * handlers, which serve as well.
 */
static struct net_protocol *lq_kernel_v4, lq_protocol_v4;
#define LQ_PLACE_V4 ((struct net_protocol __force **)&inet_protos[IPPROTO_TCP])

/* True: something changed. */
static bool lq_hook_v4_onto(const struct net_protocol *kernel)
{
	if (static_call_query(lq_tcp_v4) == kernel->handler && lq_tcp_err_v4 == kernel->err_handler)
		return false;
	static_call_update(lq_tcp_v4, kernel->handler);
	WRITE_ONCE(lq_tcp_err_v4, kernel->err_handler);
	return true;
}

static void lq_hook_v4_in(void)
{
	do {
		lq_kernel_v4 = READ_ONCE(*LQ_PLACE_V4);
		lq_protocol_v4 = *lq_kernel_v4;
		lq_protocol_v4.handler = lq_hook_v4;
		lq_protocol_v4.err_handler = lq_icmp_v4;
		lq_hook_wait(lq_hook_v4_onto(lq_kernel_v4));
	} while (cmpxchg(LQ_PLACE_V4, lq_kernel_v4, &lq_protocol_v4) != lq_kernel_v4);
}

/* False: somebody else has come before us, and calls us. */
static bool lq_hook_v4_out(void)
{
	return cmpxchg(LQ_PLACE_V4, &lq_protocol_v4, lq_kernel_v4) == &lq_protocol_v4;
}

#if IS_ENABLED(CONFIG_IPV6)
/* inet6_protocol.handler, likewise. */
static int lq_hook_v6(struct sk_buff *skb)
{
	struct lq_net *lqn = lq_may_be_ours(skb);

	if (lqn && lq_received(skb, lq_receive_v6(lqn, skb)))
		return 0;
	return static_call(lq_tcp_v6)(skb);
}

static struct inet6_protocol *lq_kernel_v6, lq_protocol_v6;
#define LQ_PLACE_V6 ((struct inet6_protocol __force **)&inet6_protos[IPPROTO_TCP])

static bool lq_hook_v6_onto(const struct inet6_protocol *kernel)
{
	if (static_call_query(lq_tcp_v6) == kernel->handler && lq_tcp_err_v6 == kernel->err_handler)
		return false;
	static_call_update(lq_tcp_v6, kernel->handler);
	WRITE_ONCE(lq_tcp_err_v6, kernel->err_handler);
	return true;
}

static void lq_hook_v6_in(void)
{
	do {
		lq_kernel_v6 = READ_ONCE(*LQ_PLACE_V6);
		if (!lq_kernel_v6)
			return; /* ipv6.disable=1 */
		lq_protocol_v6 = *lq_kernel_v6;
		lq_protocol_v6.handler = lq_hook_v6;
		lq_protocol_v6.err_handler = lq_icmp_v6;
		lq_hook_wait(lq_hook_v6_onto(lq_kernel_v6));
	} while (cmpxchg(LQ_PLACE_V6, lq_kernel_v6, &lq_protocol_v6) != lq_kernel_v6);
}

static bool lq_hook_v6_out(void)
{
	return !lq_kernel_v6 ||
	       cmpxchg(LQ_PLACE_V6, &lq_protocol_v6, lq_kernel_v6) == &lq_protocol_v6;
}
#else
static inline void lq_hook_v6_in(void) {}
static inline bool lq_hook_v6_out(void)
{
	return true;
}
#endif

static DEFINE_MUTEX(lq_hook_mutex);
static atomic_t lq_hook_users;	      /* who needs the handlers; 0 to 1 and back under the mutex */
static bool lq_hook_v4_on, lq_hook_v6_on;
static bool lq_hook_pinned;	      /* we hold a reference to this module */

/*
 * Out of the tables, unless another module has put its own handler before ours: as long as that
 * may call us, this module must stay. RCU readers may still be in our handlers; lq_exit() waits
 * for them.
 */
static void lq_hooks_out(void)
{
	bool pinned;

	if (lq_hook_v4_on)
		lq_hook_v4_on = !lq_hook_v4_out();
	if (lq_hook_v6_on)
		lq_hook_v6_on = !lq_hook_v6_out();
	pinned = lq_hook_v4_on || lq_hook_v6_on;
	if (pinned && !lq_hook_pinned) {
		pr_warn("listenq: another module stands before TCP's receive handler and calls ours: listenq stays until a listener closes without that module\n");
		__module_get(THIS_MODULE);
	} else if (!pinned && lq_hook_pinned) {
		module_put(THIS_MODULE);
	}
	lq_hook_pinned = pinned;
}

/* Not under a mutex that others wait for: memory may take its time. */
static int lq_hooks_routes(struct lq_net *lqn)
{
	struct lq_route_cache __percpu *routes;

	if (READ_ONCE(lqn->routes))
		return 0;
	routes = lq_route_cache_alloc();
	if (!routes)
		return -ENOMEM;
	/* Of two that come first, one is enough. */
	if (cmpxchg((uintptr_t __force *)&lqn->routes, 0, (uintptr_t __force)routes))
		lq_route_cache_free(routes);
	return 0;
}

int lq_hooks_get(struct lq_net *lqn)
{
	const int err = lq_hooks_routes(lqn);

	if (err)
		return err;
	if (atomic_inc_not_zero(&lq_hook_users))
		return 0;
	mutex_lock(&lq_hook_mutex);
	if (atomic_read(&lq_hook_users) == 0) {
		if (!lq_hook_v4_on)
			lq_hook_v4_in();
		if (!lq_hook_v6_on)
			lq_hook_v6_in();
		lq_hook_v4_on = lq_hook_v6_on = true;
	}
	atomic_inc(&lq_hook_users);
	mutex_unlock(&lq_hook_mutex);
	return 0;
}

bool lq_hooks_hold(void)
{
	return atomic_inc_not_zero(&lq_hook_users);
}

void lq_hooks_put(void)
{
	if (atomic_add_unless(&lq_hook_users, -1, 1))
		return;
	mutex_lock(&lq_hook_mutex);
	if (atomic_dec_and_test(&lq_hook_users))
		lq_hooks_out();
	mutex_unlock(&lq_hook_mutex);
}
