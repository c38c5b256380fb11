// SPDX-License-Identifier: GPL-2.0
/*
 * Accept filters: a child that is connected waits on the filter queue until its peer has said
 * enough. Here is when one on the queue may move; held.c has what TCP tells of a child that waits,
 * reaper.c the works, filter_set.c how a filter is set.
 *
 * What must not happen in a softirq is done by two works of the listener, both queued here, under a
 * shard's lock while its core is open, and waited for when the listener stops.
 *
 * Locking: but for lq_filter_room() the shard's lock is held.
 */
#include "clock.h"
#include "filter.h"
#include "listener.h"
#include "net.h"
#include "shard.h"

/* --- room on the accept queue; a shard's lock held --- */

void lq_filter_room_locked(struct lq_shard *shard)
{
	if (unlikely(shard->ready) && lq_core_filter_room(shard->core))
		queue_work(lq_wq, &shard->lst->reaper);
}

void lq_filter_ready_locked(struct lq_shard *shard)
{
	WRITE_ONCE(shard->ready, true);
	/* An accept() that gives its place up now sees this, or we see its place: lq_filter_room(). */
	smp_mb();
	lq_shard_accept_done_locked(shard);
	lq_filter_room_locked(shard);
}

void lq_filter_room(struct lq_shard *shard)
{
	spin_lock_bh(&shard->lock);
	lq_shard_accept_done_locked(shard);
	lq_filter_room_locked(shard);
	spin_unlock_bh(&shard->lock);
}

/* --- a child comes --- */

void lq_filter_held_locked(struct lq_shard *shard, bool evicts)
{
	struct lq_listener *lst = shard->lst;
	u32 due_us;

	if (evicts)
		atomic_inc(&shard->evicting);
	lq_filter_room_locked(shard); /* the child has left the place that its ACK reserved */
	if (delayed_work_pending(&lst->expiry))
		return;
	due_us = lq_core_filter_due_us(shard->core, lq_now_us());
	if (due_us != LQ_NEVER_US)
		queue_delayed_work(lq_wq, &lst->expiry, usecs_to_jiffies(due_us) + 1);
}

void lq_filter_changed_locked(struct lq_shard *shard)
{
	lq_shard_accept_done_locked(shard);
	lq_filter_room_locked(shard);
	if (lq_core_filter_due_us(shard->core, lq_now_us()) != LQ_NEVER_US)
		mod_delayed_work(lq_wq, &shard->lst->expiry, 0);
}
