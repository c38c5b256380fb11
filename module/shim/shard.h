/* SPDX-License-Identifier: GPL-2.0 */
/* A shard: one part of a listener's queues, with a core, a lock, a timer and a work of its own. */
#ifndef LISTENQ_SHARD_H
#define LISTENQ_SHARD_H

#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "listener.h"

/*
 * One part of a listener's queues. On its own cache lines: what a segment or an accept() of
 * another shard writes is not here.
 */
struct lq_shard {
	spinlock_t lock;	   /* the core and everything it queues */
	atomic_t accepts_done;	   /* lq_shard_accept_done_locked() tells the core of them */
	u32 turn;		   /* accept() calls of its CPUs; a hint, no lock */
	bool ready;		   /* an entry of the filter queue may be ready; filter.c */
	bool managed;		   /* lock; lq_core_manages() */
	bool sweep;		   /* lock; somebody asked for a sweep; cull.c */
	struct lq_listener *lst;   /* whose it is */
	struct lq_core *core;	   /* in the memory behind this struct */
	struct timer_list timer;   /* armed under lock; see timer.c */
	unsigned long timer_ran;   /* lock; jiffies: when it ran last */
	struct work_struct grow;   /* queued under lock, while the core is open; table.c */
	unsigned long grow_failed; /* lock; jiffies: when there was no memory for a table */
	atomic_t evicting;	   /* calls of lq_filter_evict() under way; counted up under lock */
	struct lq_request *abandoned; /* lock; evicted too late: lq_filter_drain() resets them */
} ____cacheline_aligned_in_smp;

static inline struct lq_shard *lq_first_shard(const struct lq_listener *lst)
{
	return (struct lq_shard *)(lst + 1);
}

/* @index: below lst->shard_count. */
static inline struct lq_shard *lq_shard_at(const struct lq_listener *lst, u32 index)
{
	return index == 0 ? lq_first_shard(lst) : lst->more_shards[index - 1];
}

/* The shard of a connection. */
static inline struct lq_shard *lq_shard_of(const struct lq_listener *lst, const struct lq_key *key)
{
	if (likely(lst->shard_count == 1))
		return lq_first_shard(lst);
	return lq_shard_at(lst, lq_core_shard(&lst->keys, key, lst->shard_count));
}

#define lq_for_each_shard(lst, shard, i) \
	for ((i) = 0; (i) < (lst)->shard_count && ((shard) = lq_shard_at(lst, i), true); (i)++)

/*
 * The shard's lock held, before the core is asked about a limit: it is told of the accept() calls
 * that ended since, which do not take the lock.
 */
static inline void lq_shard_accept_done_locked(struct lq_shard *shard)
{
	if (atomic_read(&shard->accepts_done))
		lq_core_accept_done(shard->core, atomic_xchg(&shard->accepts_done, 0));
}

static inline void lq_shards_free(struct lq_shard **shards, u32 count)
{
	u32 i;

	for (i = 0; shards && i < count; i++)
		kfree(shards[i]);
	kfree(shards);
}

/* @shard: zeroed memory, with room for a core behind it. */
void lq_shard_init(struct lq_shard *shard, struct lq_listener *lst);
/* Process context, lst->control held, all are closed: let SYNs in. -ENOMEM: all stay closed. */
int lq_shards_open(struct lq_listener *lst);
/*
 * Process context, lst->control held: reset what is queued; nothing gets in any more, and neither
 * timers nor works run afterwards. @stopped: for the episodes that end with it.
 */
void lq_shards_close(struct lq_listener *lst, const struct listenq_info *stopped);
/*
 * Process context, no lock but a listener's: @entry, which waited for accept() and passed the filter
 * @passed, is in no queue any more, as @lst closed, and its core counted it as a drop. It goes to an
 * heir, is parked, or is reset.
 */
void lq_connection_orphaned(struct lq_listener *lst, struct lq_request *entry, u8 passed);
/*
 * lock_sock held, @lst closed, and its sock will: what an accept() brought to the kernel's queue, and
 * has not taken yet, goes the same way, up to the first that TCP itself put there. Without heirs, or
 * without memory, TCP resets it.
 */
void lq_brought_orphaned(struct lq_listener *lst);

#endif
