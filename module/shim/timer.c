// SPDX-License-Identifier: GPL-2.0
/*
 * The one timer of a shard: it moves the clock hand over the SYN queue,
 * sends SYN-ACKs again, frees what expired and tells the end of an overflow.
 * It runs when something is due, but not more often than once in an interval.
 * Softirq.
 */
#include "../compat/compat.h"
#include "clock.h"
#include "cull.h"
#include "event.h"
#include "listener.h"
#include "settings.h"
#include "shard.h"
#include "synack.h"
#include "table.h"
#include "timer.h"

static void lq_tick_expired(struct lq_listener *lst, struct lq_request *list, u8 reason)
{
	while (list) {
		struct lq_request *request = list;

		list = request->next;
		lq_request_end(lst, request, reason);
	}
}

static void lq_timer(struct timer_list *timer)
{
	struct lq_shard *shard = container_of(timer, struct lq_shard, timer);
	struct lq_listener *lst = shard->lst;
	struct net *net = sock_net(lst->sk);
	struct lq_tick tick;
	u32 i, calls = 0;

	rcu_read_lock();
	lq_listener_refresh(lst);
	do {
		tick.now = lq_now();
		tick.now_s = lq_now_s();
		spin_lock(&shard->lock);
		lq_shard_accept_done_locked(shard);
		lq_core_tick(shard->core, &tick);
		shard->timer_ran = jiffies;
		if (tick.again && ++calls == LQ_TICK_CALLS)
			mod_timer(&shard->timer, jiffies + 1);
		else if (!tick.idle && !tick.again)
			lq_timer_arm_locked(shard, tick.now + tick.wait);
		if (tick.idle)
			lq_table_fit_locked(shard);
		if (unlikely(tick.sweep))
			lq_cull_sweep_locked(shard);
		if (!tick.again)
			LQ_DEBUG_CHECK(lq_core_check(shard->core, LQ_CHECK_STEPS));
		spin_unlock(&shard->lock);

		__NET_ADD_STATS(net, LINUX_MIB_TCPTIMEOUTS, tick.silent_count);
		for (i = 0; i < tick.resend_count; i++) {
			__NET_INC_STATS(net, LINUX_MIB_TCPTIMEOUTS);
			if (lq_synack_send(lst, &tick.resend[i].request, NULL,
					   lq_tsval(ktime_get_ns()), NULL, true))
				lq_listener_event(lst, LISTENQ_EVENT_SYNACK_RETRANS);
			else
				lq_synack_unsent(shard, LISTENQ_EVENT_SYNACK_RETRANS);
		}
		lq_tick_expired(lst, tick.expired, LISTENQ_DROP_REQUEST_EXPIRED);
		lq_tick_expired(lst, tick.unserved, LISTENQ_DROP_REQUEST_UNSERVED);
	} while (tick.again && calls < LQ_TICK_CALLS);
	rcu_read_unlock();
	lq_event_check(shard);
}

void lq_timer_init(struct lq_shard *shard)
{
	timer_setup(&shard->timer, lq_timer, 0);
}
