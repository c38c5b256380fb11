/* SPDX-License-Identifier: GPL-2.0 */
/* Connections that leave the accept queue and that no process has: they are reset. */
#ifndef LISTENQ_CULL_H
#define LISTENQ_CULL_H

#include <linux/tcp.h>

#include "clock.h"
#include "shard.h"

/* Connections that are given up, and such as are looked at, under one hold of a shard's lock. */
#define LQ_CULL_AT_ONCE 16
#define LQ_LOOKS_AT_ONCE 512
/* The same, where somebody asks how many are gone: see ACCEPT_GONE in linux/listenq.h. */
#define LQ_LOOKS_TO_COUNT 128

/* A shard's lock held: @child waits there for accept(). One look says of most that they live. */
static inline bool lq_is_established(const struct sock *child)
{
	return READ_ONCE(child->sk_state) == TCP_ESTABLISHED;
}

/* The same, in detail. */
static inline enum lq_peer lq_peer_of(const struct sock *child)
{
	const u8 state = READ_ONCE(child->sk_state);

	if (state == TCP_CLOSE)
		return LQ_PEER_GONE;
	/* Nothing but the FIN's own number. */
	if (state == TCP_CLOSE_WAIT && READ_ONCE(tcp_sk(child)->rcv_nxt) ==
					       READ_ONCE(tcp_sk(child)->copied_seq) + 1)
		return LQ_PEER_FINISHED;
	return LQ_PEER_THERE;
}

/* Any context: @work of a listener is to run when so much time is over, if it is not to run before. */
static inline void lq_cull_arm(struct delayed_work *work, u32 due_us)
{
	const unsigned long delay = usecs_to_jiffies(due_us) + 1;

	if (!delayed_work_pending(work) ||
	    time_before(jiffies + delay, READ_ONCE(work->timer.expires)))
		mod_delayed_work(lq_wq, work, delay);
}

/*
 * A shard's lock held, its core open: a connection came that may wait too long for accept(), and for so
 * long that other members of its group may have it.
 */
static inline void lq_cull_watch_locked(struct lq_shard *shard)
{
	struct lq_listener *lst = shard->lst;
	const u32 now_us = lq_now_us();
	u32 due_us;

	due_us = lq_core_accept_due_us(shard->core, now_us);
	if (due_us != LQ_NEVER_US)
		lq_cull_arm(&lst->cull, due_us);
	due_us = lq_core_steal_due_us(shard->core, now_us);
	/* For one that is due already it runs at its own pace, however many come. */
	if (due_us != LQ_NEVER_US && (due_us || !delayed_work_pending(&lst->share)))
		lq_cull_arm(&lst->share, due_us);
}

/* The same: look for those whose peer is gone. */
static inline void lq_cull_sweep_locked(struct lq_shard *shard)
{
	shard->sweep = true;
	mod_delayed_work(lq_wq, &shard->lst->cull, 0);
}

/* A shard's lock held: settings changed. */
void lq_cull_changed_locked(struct lq_shard *shard);

/*
 * A shard's lock and rskq_lock held: the next one that is for accept(), or NULL; those before it
 * are put before *culled.
 */
struct lq_request *lq_cull_next_locked(struct lq_shard *shard, bool at_once, u32 now_us,
				       struct lq_request **culled);
/* Process context: reset the children of @list, and free it. It needs no listener any more. */
void lq_cull_reset(struct lq_request *list);
/*
 * The same of @culled, of which there are some, after accept() found @child. 0: go on with that;
 * -EAGAIN: there may be another; -ERESTARTSYS: a signal came first.
 */
int lq_cull_done(struct lq_request *culled, const struct sock *child);

/* A shard's lock held: how many of those that wait are gone. */
u32 lq_cull_gone_locked(const struct lq_shard *shard);
/*
 * Not locked, any context: whether accept() would find one on our queues, as nearly as is cheap. If
 * all that wait are gone, they go.
 */
bool lq_cull_alive(const struct lq_listener *lst);

/* The work of a listener; cancelled when the last of its cores has closed. */
void lq_cull_init(struct lq_listener *lst);

#endif
