// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink events: what happens at a listener, told to the multicast group
 * "events" of its network namespace.
 *
 * The core decides what an event is, and how often there may be one; here they
 * are only sent. Without a reader an event costs no more than to ask for one.
 * A reader that misses an event, for want of memory here or of room in its own
 * socket, gets ENOBUFS, as netlink(7) has it.
 *
 * An overflow or a time of cookies is one of a shard: with several, each tells of its own, with
 * its own queues' lengths and limits.
 *
 * The CPU that drops a segment tells of it, so an overflow's beginning may be
 * read after what another CPU told a moment later; the times are right.
 */
#include <net/genetlink.h>
#include <net/ipv6.h>

#include "clock.h"
#include "event.h"
#include "genl.h"
#include "listener.h"
#include "net.h"
#include "shard.h"
#include "timer.h"

/* All attributes with their padding, and some more. */
#define LQ_EVENT_SIZE 512

/* Events that listen() alone can make, in each second. */
#define LQ_LISTEN_EVENTS 100

void lq_event_init(struct lq_net *lqn)
{
	ratelimit_state_init(&lqn->listen_events, HZ, LQ_LISTEN_EVENTS);
	/* The readers of events learn how many were left out, and not the log. */
	ratelimit_set_flags(&lqn->listen_events, RATELIMIT_MSG_ON_RELEASE);
}

/* Whether an event that listen() made may be sent: no user has all of a second's to himself. */
static bool lq_event_has_room(struct lq_net *lqn)
{
	if (___ratelimit(&lqn->listen_events, __func__))
		return true;
	atomic_inc(&lqn->untold);
	return false;
}

static int lq_event_fill(struct sk_buff *msg, const struct lq_listener *lst,
			 const struct lq_event *event)
{
	void *hdr = genlmsg_put(msg, 0, 0, &lq_genl_family, 0, LISTENQ_CMD_EVENT);
	const struct listenq_info *info = &event->info;
	const struct sock *sk = lst->sk;
	bool v6only = false;
	u32 untold;

#if IS_ENABLED(CONFIG_IPV6)
	v6only = sk->sk_family == AF_INET6 && ipv6_only_sock(sk);
#endif
	if (!hdr ||
	    nla_put_u64_64bit(msg, LISTENQ_A_EVENT_TIME, ktime_get_real_ns(),
			      LISTENQ_A_EVENT_PAD) ||
	    nla_put_u32(msg, LISTENQ_A_EVENT_TYPE, event->type) ||
	    nla_put_u64_64bit(msg, LISTENQ_A_EVENT_LISTENER, READ_ONCE(lst->id),
			      LISTENQ_A_EVENT_PAD) ||
	    nla_put_u16(msg, LISTENQ_A_EVENT_FAMILY, sk->sk_family) ||
	    lq_put_address(msg, LISTENQ_A_EVENT_ADDR, sk) ||
	    nla_put_u16(msg, LISTENQ_A_EVENT_PORT, inet_sk(sk)->inet_num) ||
	    nla_put_u32(msg, LISTENQ_A_EVENT_IFINDEX, READ_ONCE(sk->sk_bound_dev_if)) ||
	    nla_put_u8(msg, LISTENQ_A_EVENT_V6ONLY, v6only) ||
	    nla_put_string(msg, LISTENQ_A_EVENT_POLICY, info->policy) ||
	    nla_put_s32(msg, LISTENQ_A_EVENT_BACKLOG_ASKED, info->backlog_asked) ||
	    nla_put_u32(msg, LISTENQ_A_EVENT_BACKLOG, info->backlog) ||
	    nla_put_u32(msg, LISTENQ_A_EVENT_ACCEPT_QLEN, info->accept_qlen) ||
	    nla_put_u32(msg, LISTENQ_A_EVENT_ACCEPT_LIMIT, info->accept_limit) ||
	    nla_put_u32(msg, LISTENQ_A_EVENT_SYN_QLEN, info->syn_qlen) ||
	    nla_put_u32(msg, LISTENQ_A_EVENT_SYN_LIMIT, info->syn_limit))
		return -EMSGSIZE;
	if (event->reason && nla_put_u32(msg, LISTENQ_A_EVENT_REASON, event->reason))
		return -EMSGSIZE;
	if (event->count && nla_put_u64_64bit(msg, LISTENQ_A_EVENT_COUNT, event->count,
					      LISTENQ_A_EVENT_PAD))
		return -EMSGSIZE;
	untold = atomic_xchg(&lst->lqn->untold, 0);
	if (untold && nla_put_u32(msg, LISTENQ_A_EVENT_UNTOLD, untold))
		return -EMSGSIZE;
	genlmsg_end(msg, hdr);
	return 0;
}

void lq_event_send(struct lq_listener *lst, const struct lq_event *event, gfp_t gfp)
{
	struct net *net = sock_net(lst->sk);
	struct sk_buff *msg;

	if (!genl_has_listeners(&lq_genl_family, net, LQ_MCGRP_EVENTS))
		return;
	msg = genlmsg_new(LQ_EVENT_SIZE, gfp);
	if (msg && !WARN_ON_ONCE(lq_event_fill(msg, lst, event))) {
		genlmsg_multicast_netns(&lq_genl_family, net, msg, 0, LQ_MCGRP_EVENTS, gfp);
		return;
	}
	nlmsg_free(msg);
	genl_set_err(&lq_genl_family, net, 0, LQ_MCGRP_EVENTS, -ENOBUFS);
}

void lq_event_send_pending(struct lq_shard *shard)
{
	struct lq_listener *lst = shard->lst;
	struct lq_event event;
	bool more;

	do {
		spin_lock(&shard->lock);
		more = lq_core_event(shard->core, &event);
		/* Only an open core has beginnings: stop finds the timer. */
		if (more && (event.type == LISTENQ_EVENT_TYPE_OVERFLOW_BEGAN ||
			     event.type == LISTENQ_EVENT_TYPE_COOKIES_BEGAN))
			lq_timer_arm_locked(shard, lq_now() + HZ / LQ_TICKS_PER_SECOND);
		spin_unlock(&shard->lock);
		if (more)
			lq_event_send(lst, &event, GFP_ATOMIC);
	} while (more);
}

void lq_event_listen(struct lq_listener *lst, const struct listenq_info *info)
{
	struct lq_event event = { .info = *info };

	if (!lst->announced && lq_event_has_room(lst->lqn)) {
		lst->announced = true;
		event.type = LISTENQ_EVENT_TYPE_LISTENER_STARTED;
		lq_event_send(lst, &event, GFP_KERNEL);
	}
	if (event.info.flags & LISTENQ_F_BACKLOG_TRUNCATED && lq_event_has_room(lst->lqn)) {
		event.type = LISTENQ_EVENT_TYPE_BACKLOG_TRUNCATED;
		lq_event_send(lst, &event, GFP_KERNEL);
	}
}
