/* SPDX-License-Identifier: GPL-2.0 */
/* The one timer of a shard: when it runs. What it does is timer.c's. */
#ifndef LISTENQ_TIMER_H
#define LISTENQ_TIMER_H

#include <linux/timer.h>

#include "shard.h"

#define LQ_TICK_INTERVAL (HZ / LQ_TICKS_PER_SECOND)

void lq_timer_init(struct lq_shard *shard);

/*
 * Jiffies until the timer is to run for what is due at @due. One that is far away may be late by
 * an eighth (kernel/time/timer.c): it comes nearer in a few steps.
 */
static inline unsigned long lq_timer_wait(const struct lq_shard *shard, u32 due)
{
	const unsigned long now = jiffies, ran = now - shard->timer_ran;
	unsigned long wait = max_t(s32, due - (u32)now, 1);

	if (wait / 8 > LQ_TICK_INTERVAL)
		wait -= wait / 8;
	if (ran < LQ_TICK_INTERVAL)
		wait = max(wait, LQ_TICK_INTERVAL - ran);
	return wait;
}

/*
 * The shard's lock held, its core open: run at @due, in ticks, if not before. Never after the core
 * closed: stop finds the timer.
 */
static inline void lq_timer_arm_locked(struct lq_shard *shard, u32 due)
{
	if (timer_pending(&shard->timer) && (s32)(due - (u32)shard->timer.expires) >= 0)
		return;
	timer_reduce(&shard->timer, jiffies + lq_timer_wait(shard, due));
}

#endif
