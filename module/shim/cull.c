// SPDX-License-Identifier: GPL-2.0
/*
 * Connections that leave the accept queue without accept(): the work resets those that have waited
 * for too long, which is when it is due, and frees those that their peer has reset, once these are
 * in the way of others: the timer asks for that, a few times a second at most. What accept() itself
 * gives up it resets itself, without a lock.
 *
 * Who goes is the core's to say; here is what it cannot see, the child's state.
 */
#include <linux/sched/signal.h>

#include "../compat/compat.h"
#include "cull.h"
#include "drop.h"
#include "filter.h"
#include "guard.h"
#include "listener.h"
#include "net.h"
#include "request.h"
#include "reset.h"

/*
 * A shard's lock and rskq_lock held: @entry has left the queue for @reason, enum listenq_drop, and is
 * put before *list.
 */
static void lq_cull_locked(struct lq_shard *shard, struct lq_request *entry, u8 reason,
			   struct lq_request **list)
{
	struct lq_key key LQ_UNINITIALIZED; /* of which nothing but what is filled is traced */

	lq_request_key(entry, &key);
	lq_ack_backlog_remove_locked(shard->lst);
	lq_drop(shard->lst, &key, reason);
	entry->next = *list;
	*list = entry;
}

void lq_cull_reset(struct lq_request *list)
{
	while (list) {
		struct lq_request *entry = list;

		list = entry->next;
		lq_child_reset(entry->child);
		lq_request_free(entry);
		cond_resched();
	}
}

/* --- accept() --- */

struct lq_request *lq_cull_next_locked(struct lq_shard *shard, bool at_once, u32 now_us,
				       struct lq_request **culled)
{
	struct lq_core *core = shard->core;
	struct lq_request *entry;
	u32 left = LQ_CULL_AT_ONCE;
	u8 reason;

	while (left-- && (entry = lq_core_accept_next(core, now_us))) {
		reason = lq_core_accept_judge(core, entry, lq_peer_of(entry->child), now_us,
					      at_once);
		if (!reason)
			return entry;
		lq_cull_locked(shard, entry, reason, culled);
	}
	return NULL;
}

int lq_cull_done(struct lq_request *culled, const struct sock *child)
{
	lq_cull_reset(culled);
	if (child != ERR_PTR(-EAGAIN))
		return 0;
	return signal_pending(current) ? -ERESTARTSYS : -EAGAIN;
}

/* --- the work --- */

static void lq_cull_one_locked(struct lq_shard *shard, struct lq_request *entry, u8 reason,
			       struct lq_request **list)
{
	struct request_sock_queue *queue = &inet_csk(shard->lst->sk)->icsk_accept_queue;

	spin_lock(&queue->rskq_lock);
	lq_cull_locked(shard, entry, reason, list);
	spin_unlock(&queue->rskq_lock);
}

/* True: there are more. */
static bool lq_cull_expired_locked(struct lq_shard *shard, struct lq_request **list)
{
	const u32 now_us = lq_now_us();
	struct lq_request *entry;
	u32 i;

	for (i = 0; i < LQ_CULL_AT_ONCE; i++) {
		entry = lq_core_accept_expire(shard->core, now_us);
		if (!entry)
			return false;
		lq_cull_one_locked(shard, entry, LISTENQ_DROP_ACCEPT_EXPIRED, list);
	}
	return true;
}

/* The same. */
static bool lq_cull_sweep_part_locked(struct lq_shard *shard, struct lq_request **list)
{
	const u32 now_us = lq_now_us();
	struct lq_request *entry;
	u32 looks, culled = 0;
	u8 reason;

	if (!shard->sweep)
		return false;
	for (looks = 0; looks < LQ_LOOKS_AT_ONCE && culled < LQ_CULL_AT_ONCE; looks++) {
		entry = lq_core_sweep_next(shard->core);
		if (!entry) {
			shard->sweep = false;
			return false;
		}
		reason = lq_core_sweep_judge(shard->core, entry, lq_peer_of(entry->child), now_us);
		if (!reason)
			continue;
		lq_cull_one_locked(shard, entry, reason, list);
		culled++;
	}
	return true;
}

/* How long until the next one has waited too long. */
static u32 lq_cull_shard(struct lq_shard *shard)
{
	struct lq_request *list;
	u32 due_us;
	bool more;

	do {
		list = NULL;
		spin_lock_bh(&shard->lock);
		more = lq_cull_expired_locked(shard, &list) ||
		       lq_cull_sweep_part_locked(shard, &list);
		due_us = lq_core_accept_due_us(shard->core, lq_now_us());
		if (list) {
			lq_shard_accept_done_locked(shard);
			lq_filter_room_locked(shard);
		}
		spin_unlock_bh(&shard->lock);
		lq_cull_reset(list);
		cond_resched();
	} while (more);
	return due_us;
}

static void lq_cull(struct work_struct *work)
{
	struct lq_listener *lst = container_of(to_delayed_work(work), struct lq_listener, cull);
	u32 i, due_us = LQ_NEVER_US;
	struct lq_shard *shard;

	lq_for_each_shard(lst, shard, i)
		due_us = min(due_us, lq_cull_shard(shard));
	/* A connection that came meanwhile may have asked for another time. */
	if (due_us != LQ_NEVER_US)
		lq_cull_arm(&lst->cull, due_us);
}

void lq_cull_changed_locked(struct lq_shard *shard)
{
	const u32 now_us = lq_now_us();

	shard->managed = lq_core_manages(shard->core);
	WRITE_ONCE(shard->lst->steals, lq_core_steals(shard->core));
	if (lq_core_accept_due_us(shard->core, now_us) != LQ_NEVER_US)
		mod_delayed_work(lq_wq, &shard->lst->cull, 0);
	if (lq_core_steal_due_us(shard->core, now_us) != LQ_NEVER_US)
		mod_delayed_work(lq_wq, &shard->lst->share, 0);
}

void lq_cull_init(struct lq_listener *lst)
{
	INIT_DELAYED_WORK(&lst->cull, lq_cull);
}

/* --- for those who look --- */

u32 lq_cull_gone_locked(const struct lq_shard *shard)
{
	const struct lq_request *entry = NULL;
	u32 looks, gone = 0;

	for (looks = 0; looks < LQ_LOOKS_TO_COUNT; looks++) {
		entry = lq_core_accept_after(shard->core, entry);
		if (!entry)
			break;
		gone += lq_peer_of(entry->child) == LQ_PEER_GONE;
	}
	return gone;
}

static bool lq_cull_shard_alive(struct lq_shard *shard)
{
	const struct lq_request *entry = NULL;
	bool alive = false;
	u32 looks = 0;

	if (!lq_core_accept_qlen(shard->core))
		return false;
	spin_lock_bh(&shard->lock);
	while (!alive && (entry = lq_core_accept_after(shard->core, entry)))
		alive = lq_is_established(entry->child) || looks++ == LQ_CULL_AT_ONCE ||
			!lq_core_skips(shard->core, lq_peer_of(entry->child));
	if (looks && !alive)
		lq_cull_sweep_locked(shard);
	spin_unlock_bh(&shard->lock);
	return alive;
}

bool lq_cull_alive(const struct lq_listener *lst)
{
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i) {
		if (lq_cull_shard_alive(shard))
			return true;
	}
	return false;
}
