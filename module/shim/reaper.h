/* SPDX-License-Identifier: GPL-2.0 */
/* What becomes of held children in process context, and of those that are evicted. */
#ifndef LISTENQ_REAPER_H
#define LISTENQ_REAPER_H

#include "shard.h"

/* The works of a listener. */
void lq_reaper_init(struct lq_listener *lst);
/* Reset the children of @list, which the core evicted. Softirq, no child's lock held. */
void lq_filter_evict(struct lq_shard *shard, struct lq_request *list);
/* lst->control held, the core is closed: reset the children of @held. */
void lq_filter_drain(struct lq_shard *shard, struct lq_request *held);

#endif
