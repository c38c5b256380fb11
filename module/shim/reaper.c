// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to held children outside of their own segments: the reaper resets those that the
 * filter refused, and puts those that are ready on the accept queue as there is room; another work
 * finds those that were held too long, and is due when the oldest of them is. Evictions are done at
 * once, by the segment that makes them; what is left when the listener stops is reset here, too.
 */
#include <linux/wait_bit.h>

#include "clock.h"
#include "cull.h"
#include "drop.h"
#include "filter.h"
#include "guard.h"
#include "heir.h"
#include "held.h"
#include "listener.h"
#include "net.h"
#include "reaper.h"
#include "request.h"
#include "reset.h"
#include "shard.h"
#include "trace.h"

/* --- the works --- */

/*
 * Process context: the child of @entry, which is in no queue any more, goes to an heir, if its listener
 * closed and has one, or is reset; @entry is freed.
 */
static void lq_held_end(struct lq_listener *lst, struct lq_request *entry, u8 reason)
{
	struct sock *child = entry->child;
	bool taken = false;

	/* Once an heir has it, accept() may take it, and its owner close it. */
	sock_hold(child);
	/* One of its own class, the listener's, may be held. */
	lock_sock_nested(child, SINGLE_DEPTH_NESTING);
	lq_held_unhook(lst, child, entry);
	if (reason == LISTENQ_DROP_LISTENER_CLOSED && !(entry->flags & LQ_REQ_REFUSED))
		taken = lq_heir_take_locked(lst, entry,
					    entry->flags & LQ_REQ_READY ? READ_ONCE(lst->filter)
									: LQ_FILTER_NONE,
					    entry->stamp_us);
	release_sock(child);
	if (!taken) {
		lq_child_reset(child);
		lq_held_drop(lst, entry, reason);
	}
	sock_put(child);
}

/* @entry was ready, and its place on the accept queue is reserved. */
static void lq_held_admit(struct lq_shard *shard, struct lq_request *entry)
{
	struct lq_listener *lst = shard->lst;
	struct sock *child = entry->child;
	u32 now_us, waited_us;
	bool admitted, taken = false;

	/* Once it is queued, accept() may take it, and its owner close it. */
	sock_hold(child);
	lock_sock_nested(child, SINGLE_DEPTH_NESTING);
	lq_held_unhook(lst, child, entry);
	spin_lock_bh(&shard->lock);
	now_us = lq_now_us();
	waited_us = now_us - entry->stamp_us;
	admitted = lq_core_filter_admit(shard->core, entry, now_us);
	if (admitted) {
		lq_ack_backlog_add(lst);
		lq_cull_watch_locked(shard);
		trace_filter_pass(lst, entry, waited_us);
	}
	spin_unlock_bh(&shard->lock);
	if (!admitted)
		taken = lq_heir_take_locked(lst, entry, READ_ONCE(lst->filter), now_us);
	release_sock(child);
	if (admitted) {
		lq_listener_event(lst, LISTENQ_EVENT_FILTER_PASSED);
		lq_listener_event(lst, LISTENQ_EVENT_ESTABLISHED);
		lq_listener_wake(lst);
	} else if (!taken) {
		lq_child_reset(child);
		lq_held_drop(lst, entry, LISTENQ_DROP_LISTENER_CLOSED);
	}
	sock_put(child);
}

static void lq_reap_shard(struct lq_shard *shard)
{
	struct lq_request *refused, *ready;

	do {
		spin_lock_bh(&shard->lock);
		lq_shard_accept_done_locked(shard);
		refused = lq_core_filter_refused(shard->core);
		ready = lq_core_filter_take(shard->core);
		if (!lq_core_filter_ready(shard->core))
			WRITE_ONCE(shard->ready, false);
		spin_unlock_bh(&shard->lock);
		if (refused)
			lq_held_end(shard->lst, refused, LISTENQ_DROP_FILTER_REFUSED);
		if (ready)
			lq_held_admit(shard, ready);
		cond_resched();
	} while (refused || ready);
}

static void lq_reap(struct work_struct *work)
{
	struct lq_listener *lst = container_of(work, struct lq_listener, reaper);
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i)
		lq_reap_shard(shard);
}

/* Those that were held too long are ready. How long until the next one is. */
static u32 lq_expire_shard(struct lq_shard *shard)
{
	u32 due_us;
	bool more;

	do {
		spin_lock_bh(&shard->lock);
		more = lq_core_filter_expire(shard->core, lq_now_us(), LQ_ENTRIES_AT_ONCE);
		due_us = lq_core_filter_due_us(shard->core, lq_now_us());
		if (lq_core_filter_ready(shard->core))
			lq_filter_ready_locked(shard);
		spin_unlock_bh(&shard->lock);
		cond_resched();
	} while (more);
	return due_us;
}

static void lq_expire(struct work_struct *work)
{
	struct lq_listener *lst = container_of(to_delayed_work(work), struct lq_listener, expiry);
	u32 i, due_us = LQ_NEVER_US;
	struct lq_shard *shard;

	lq_for_each_shard(lst, shard, i)
		due_us = min(due_us, lq_expire_shard(shard));
	/* A child that came meanwhile may have asked for a later time. */
	if (due_us != LQ_NEVER_US)
		mod_delayed_work(lq_wq, &lst->expiry, usecs_to_jiffies(due_us) + 1);
}

/* --- others go --- */

/*
 * A process such as ss -K owns the child's lock, which is to be waited for: by the reaper, or by
 * the one that closed the listener meanwhile and waits for us.
 */
static void lq_filter_evict_later(struct lq_shard *shard, struct lq_request *entry)
{
	struct lq_listener *lst = shard->lst;
	const bool counted = entry->flags & LQ_REQ_REFUSED;
	struct lq_key key = {};
	bool later;

	lq_request_key(entry, &key);
	spin_lock(&shard->lock);
	later = lq_core_filter_put_back(shard->core, entry);
	if (later) {
		queue_work(lq_wq, &lst->reaper);
	} else {
		entry->next = shard->abandoned;
		shard->abandoned = entry;
	}
	spin_unlock(&shard->lock);
	if (later && !counted)
		lq_drop(lst, &key, LISTENQ_DROP_FILTER_OVERFLOW);
}

void lq_filter_evict(struct lq_shard *shard, struct lq_request *list)
{
	struct lq_listener *lst = shard->lst;

	if (!list)
		return;
	while (list) {
		struct lq_request *entry = list;
		struct sock *child = entry->child;

		list = entry->next;
		sock_hold(child);
		bh_lock_sock(child);
		if (sock_owned_by_user(child)) {
			lq_filter_evict_later(shard, entry);
		} else {
			lq_held_unhook(lst, child, entry);
			lq_child_forget_locked(child);
			lq_held_drop(lst, entry, LISTENQ_DROP_FILTER_OVERFLOW);
		}
		bh_unlock_sock(child);
		sock_put(child);
	}
	if (atomic_dec_and_test(&shard->evicting))
		wake_up_var(&shard->evicting);
}

static void lq_filter_reset_all(struct lq_listener *lst, struct lq_request *list, u8 reason)
{
	while (list) {
		struct lq_request *entry = list;

		list = entry->next;
		lq_held_end(lst, entry, reason);
		cond_resched();
	}
}

void lq_filter_drain(struct lq_shard *shard, struct lq_request *held)
{
	struct lq_listener *lst = shard->lst;
	struct lq_request *abandoned;

	/* What they have in their hands is in no queue. */
	cancel_delayed_work_sync(&lst->expiry);
	cancel_work_sync(&lst->reaper);
	wait_var_event(&shard->evicting, !atomic_read(&shard->evicting));
	spin_lock_bh(&shard->lock);
	abandoned = shard->abandoned;
	shard->abandoned = NULL;
	WRITE_ONCE(shard->ready, false);
	spin_unlock_bh(&shard->lock);
	lq_filter_reset_all(lst, abandoned, LISTENQ_DROP_FILTER_OVERFLOW);
	lq_filter_reset_all(lst, held, LISTENQ_DROP_LISTENER_CLOSED);
}

void lq_reaper_init(struct lq_listener *lst)
{
	INIT_WORK(&lst->reaper, lq_reap);
	INIT_DELAYED_WORK(&lst->expiry, lq_expire);
}
