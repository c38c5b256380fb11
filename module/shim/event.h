/* SPDX-License-Identifier: GPL-2.0 */
/* Netlink events. */
#ifndef LISTENQ_EVENT_H
#define LISTENQ_EVENT_H

#include "shard.h"

void lq_event_init(struct lq_net *lqn);
/* Sends to the group's readers, if any; any context, no shard's lock held, @gfp as that allows. */
void lq_event_send(struct lq_listener *lst, const struct lq_event *event, gfp_t gfp);
/* Sends every event that the core has, and lets the timer find the ends. Softirq. */
void lq_event_send_pending(struct lq_shard *shard);
/* After each drop, cookie and tick. Softirq, no shard's lock held. */
static inline void lq_event_check(struct lq_shard *shard)
{
	if (unlikely(lq_core_event_pending(shard->core)))
		lq_event_send_pending(shard);
}
/* lock_sock held: listen() went well; @info: lq_listener_info(). */
void lq_event_listen(struct lq_listener *lst, const struct listenq_info *info);

#endif
