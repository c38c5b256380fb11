/* SPDX-License-Identifier: GPL-2.0 */
/* The table of a shard's SYN queue, which grows with what it holds. */
#ifndef LISTENQ_TABLE_H
#define LISTENQ_TABLE_H

#include "shard.h"

/* How long no larger table is asked for after there was no memory. */
#define LQ_GROW_PAUSE HZ

struct lq_request **lq_table_alloc(u32 count, gfp_t gfp); /* NULL without memory; kvfree() */
void lq_table_init(struct lq_shard *shard);
/* The shard's lock held, its core open: a work is to make the table that the core wants. */
void lq_table_replace_locked(struct lq_shard *shard);
/*
 * The shard's lock held: a request was queued, or all are gone. Only an open core has a wish, so
 * lq_shards_close() finds the work.
 */
static inline void lq_table_fit_locked(struct lq_shard *shard)
{
	if (unlikely(lq_core_table_wanted(shard->core)))
		lq_table_replace_locked(shard);
}

#endif
