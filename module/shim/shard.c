// SPDX-License-Identifier: GPL-2.0
/*
 * A shard of a listener: its core, and the memory of its SYN queue's table, which grows with what
 * it holds.
 *
 * A SYN that finds the table too small queues a work, which allocates a larger one and moves the
 * requests, a part under each hold of the shard's lock; when the timer stops, the table becomes
 * as small as it began. Without memory the queue goes on with the table that it has.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "listenq.h"

/* How long no larger table is asked for after there was no memory. */
#define LQ_GROW_PAUSE HZ

static struct lq_request **lq_table_alloc(u32 count, gfp_t gfp)
{
	return kvcalloc(count, sizeof(struct lq_request *), gfp);
}

/*
 * Process context: on the account of whoever made the listening socket, as its requests are. A
 * remote peer makes it grow: that is no reason to kill anybody.
 */
static struct lq_request **lq_table_alloc_for(const struct sock *sk, u32 count)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
#ifdef CONFIG_MEMCG
	struct lq_request **table;
	struct mem_cgroup *outer;

	if (sk->sk_memcg) {
		outer = set_active_memcg(sk->sk_memcg);
		table = lq_table_alloc(count, gfp | __GFP_ACCOUNT);
		set_active_memcg(outer);
		return table;
	}
#endif
	return lq_table_alloc(count, gfp);
}

static void lq_shard_rehash(struct lq_shard *shard)
{
	void *table;

	do {
		cond_resched();
		spin_lock_bh(&shard->lock);
		table = lq_core_rehash(shard->core, LQ_STEPS_AT_ONCE);
		spin_unlock_bh(&shard->lock);
	} while (!table);
	kvfree(table);
}

/* Of the listener, whose sock is there until lq_shard_close() has waited for us. */
static void lq_shard_grow(struct work_struct *work)
{
	struct lq_shard *shard = container_of(work, struct lq_shard, grow);
	struct lq_request **table;
	bool taken;
	u32 count;

	spin_lock_bh(&shard->lock);
	count = lq_core_table_wanted(shard->core);
	spin_unlock_bh(&shard->lock);
	if (!count)
		return;
	table = lq_table_alloc_for(shard->lst->sk, count);

	spin_lock_bh(&shard->lock);
	if (!table)
		shard->grow_failed = jiffies;
	taken = table && lq_core_resize(shard->core, table, count);
	spin_unlock_bh(&shard->lock);
	if (taken)
		lq_shard_rehash(shard);
	else
		kvfree(table);
}

void lq_shard_wants_table_locked(struct lq_shard *shard)
{
	if (jiffies - shard->grow_failed >= LQ_GROW_PAUSE)
		queue_work(lq_wq, &shard->grow);
}

void lq_shard_init(struct lq_shard *shard, struct lq_listener *lst)
{
	/* sizeof() is a multiple of 8, as the core's alignment asks. */
	BUILD_BUG_ON(sizeof(*shard) % 8);
	shard->lst = lst;
	spin_lock_init(&shard->lock);
	lq_timer_init(shard);
	INIT_WORK(&shard->grow, lq_shard_grow);
	shard->core = lq_core_init(shard + 1, &lst->keys);
}

static void lq_shards_kfree(struct lq_shard **shards, u32 count)
{
	u32 i;

	for (i = 0; shards && i < count; i++)
		kfree(shards[i]);
	kfree(shards);
}

void lq_shards_free(struct lq_listener *lst)
{
	lq_shards_kfree(lst->more_shards, lst->shard_count - 1);
}

static struct lq_shard **lq_shards_alloc(struct lq_listener *lst, u32 count)
{
	struct lq_shard **shards = kcalloc(count, sizeof(*shards), GFP_KERNEL_ACCOUNT);
	u32 i;

	for (i = 0; shards && i < count; i++) {
		shards[i] = kzalloc(sizeof(*shards[i]) + lq_core_size(), GFP_KERNEL_ACCOUNT);
		if (!shards[i]) {
			lq_shards_kfree(shards, count);
			return NULL;
		}
		lq_shard_init(shards[i], lst);
	}
	return shards;
}

/* The first listen() decides how many there are. -ENOMEM: nothing changed. */
static int lq_shards_decide(struct lq_listener *lst)
{
	const u32 count = lq_core_shards(&lst->limits, lq_listener_shards_asked(lst));
	struct lq_shard **more = NULL;

	if (lst->sharded)
		return 0;
	if (count > 1) {
		more = lq_shards_alloc(lst, count - 1);
		if (!more)
			return -ENOMEM;
	}
	/* Others configure them meanwhile; whoever else reads has seen the sock listen first. */
	spin_lock_bh(&lst->settings_lock);
	lst->more_shards = more;
	lst->shard_count = count;
	spin_unlock_bh(&lst->settings_lock);
	WRITE_ONCE(lst->sharded, true);
	return 0;
}

void lq_shards_configure(struct lq_listener *lst, const struct lq_config *config,
			 const struct lq_limits *limits)
{
	struct lq_limits part;
	struct lq_config share;
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i) {
		share = *config;
		part = *limits;
		lq_core_share(&share, &part, lst->shard_count, i);
		spin_lock(&shard->lock);
		lq_core_configure(shard->core, &share, &part);
		lq_shard_grow_locked(shard);
		lq_filter_changed_locked(shard);
		spin_unlock(&shard->lock);
	}
}

int lq_shards_open(struct lq_listener *lst)
{
	struct lq_request **tables[LQ_MAX_SHARDS];
	u32 counts[LQ_MAX_SHARDS];
	struct lq_shard *shard;
	u32 i;

	if (lq_shards_decide(lst))
		return -ENOMEM;
	lq_listener_apply(lst);
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		counts[i] = lq_core_table_first(shard->core);
		spin_unlock_bh(&shard->lock);
		tables[i] = lq_table_alloc(counts[i], GFP_KERNEL_ACCOUNT);
		if (!tables[i]) {
			while (i-- > 0)
				kvfree(tables[i]);
			return -ENOMEM;
		}
	}
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		shard->timer_ran = jiffies;
		shard->grow_failed = jiffies - LQ_GROW_PAUSE;
		lq_core_open(shard->core, tables[i], counts[i]);
		spin_unlock_bh(&shard->lock);
	}
	return 0;
}

/* Nothing gets in any more; what is queued is reset, the SYN queue a part under each hold of the lock. */
static void lq_shard_close(struct lq_shard *shard, const struct listenq_info *stopped)
{
	struct lq_listener *lst = shard->lst;
	struct lq_event ended[2]; /* an overflow and a time of cookies, at most */
	struct lq_drained drained;
	u32 i, endings = 0;
	bool more;

	spin_lock_bh(&shard->lock);
	more = lq_core_close(shard->core, LQ_STEPS_AT_ONCE, &drained);
	while (endings < ARRAY_SIZE(ended) && lq_core_event(shard->core, &ended[endings]))
		endings++;
	spin_unlock_bh(&shard->lock);
	/* Neither comes again: the core is closed. */
	timer_delete_sync(&shard->timer);
	cancel_work_sync(&shard->grow);

	for (i = 0; lst->announced && i < endings; i++) {
		ended[i].info = *stopped;
		lq_event_send(lst, &ended[i], GFP_KERNEL);
	}
	lq_listener_drain(lst, &drained);
	lq_filter_drain(shard, drained.held);
	while (more) {
		cond_resched();
		spin_lock_bh(&shard->lock);
		more = lq_core_close(shard->core, LQ_STEPS_AT_ONCE, &drained);
		spin_unlock_bh(&shard->lock);
		lq_listener_drain(lst, &drained);
	}
	kvfree(drained.table);
}

void lq_shards_close(struct lq_listener *lst, const struct listenq_info *stopped)
{
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i)
		lq_shard_close(shard, stopped);
}

/* --- what they have to say --- */

void lq_listener_state(struct lq_listener *lst, struct lq_listener_state *state)
{
	struct lq_listener_state one;
	struct lq_shard *shard;
	u32 i;

	lq_listener_refresh(lst);
	memset(&state->info, 0, sizeof(state->info));
	memset(&one.info, 0, sizeof(one.info));
	lq_for_each_shard(lst, shard, i) {
		struct lq_listener_state *to = i == 0 ? state : &one;

		spin_lock_bh(&shard->lock);
		lq_core_info(shard->core, &to->info);
		lq_core_counters(shard->core, &to->counters);
		to->accept_oldest_us = lq_core_accept_oldest_us(shard->core, lq_now_us());
		spin_unlock_bh(&shard->lock);
		if (i == 0)
			continue;
		lq_core_info_add(&state->info, &one.info);
		lq_core_counters_add(&state->counters, &one.counters);
		state->accept_oldest_us = max(state->accept_oldest_us, one.accept_oldest_us);
	}
}

void lq_listener_info(struct lq_listener *lst, struct listenq_info *info)
{
	struct listenq_info one = {};
	struct lq_shard *shard;
	u32 i;

	lq_listener_refresh(lst);
	memset(info, 0, sizeof(*info));
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		lq_core_info(shard->core, i == 0 ? info : &one);
		spin_unlock_bh(&shard->lock);
		if (i > 0)
			lq_core_info_add(info, &one);
	}
}
