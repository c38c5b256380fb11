/* SPDX-License-Identifier: GPL-2.0 */
/* When what the filter queue holds is to move: the reaper's works are queued. */
#ifndef LISTENQ_FILTER_H
#define LISTENQ_FILTER_H

#include "shard.h"

/* Entries that change their place under one hold of a shard's lock. */
#define LQ_ENTRIES_AT_ONCE 64

/* A shard's lock held. LQ_COMMIT_HELD; @evicts: lq_filter_evict() will follow. */
void lq_filter_held_locked(struct lq_shard *shard, bool evicts);
/* The same lock: an entry of the filter queue is ready, as lq_core_filter_ready() says. */
void lq_filter_ready_locked(struct lq_shard *shard);
/* The same lock: a place on the accept queue may be free. */
void lq_filter_room_locked(struct lq_shard *shard);
/* The same lock: settings changed. */
void lq_filter_changed_locked(struct lq_shard *shard);
/* Not locked: accept() has given up a place, and shard->ready was set. Any context. */
void lq_filter_room(struct lq_shard *shard);

#endif
