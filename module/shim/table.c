// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a SYN queue's table, which grows with what it holds.
 *
 * A SYN that finds the table too small queues a work, which allocates a larger one and moves the
 * requests, a part under each hold of the shard's lock; when the timer stops, the table becomes
 * as small as it began. Without memory the queue goes on with the table that it has.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "net.h"
#include "shard.h"
#include "table.h"

struct lq_request **lq_table_alloc(u32 count, gfp_t gfp)
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

static void lq_table_rehash(struct lq_shard *shard)
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

/* Of the listener, whose sock is there until lq_shards_close() has waited for us. */
static void lq_table_work(struct work_struct *work)
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
		lq_table_rehash(shard);
	else
		kvfree(table);
}

void lq_table_replace_locked(struct lq_shard *shard)
{
	if (jiffies - shard->grow_failed >= LQ_GROW_PAUSE)
		queue_work(lq_wq, &shard->grow);
}

void lq_table_init(struct lq_shard *shard)
{
	INIT_WORK(&shard->grow, lq_table_work);
}
