// SPDX-License-Identifier: GPL-2.0
/*
 * The one timer of a shard: it moves the clock hand over the SYN queue,
 * sends SYN-ACKs again, frees what expired and tells the end of an overflow.
 * It runs while requests are queued or an episode is under way. Softirq.
 */
#include "listenq.h"
#include "trace.h"

#define LQ_TICK_INTERVAL (HZ / LQ_TICKS_PER_SECOND)

/* Armed under the lock, and never after the core closed: stop finds it. */
void lq_timer_arm_locked(struct lq_shard *shard)
{
	if (!timer_pending(&shard->timer))
		mod_timer(&shard->timer, jiffies + LQ_TICK_INTERVAL);
}

static void lq_tick_expired(struct lq_listener *lst, struct lq_request *list)
{
	struct net *net = sock_net(lst->sk);
	struct lq_key key = {};

	while (list) {
		struct lq_request *next = list->next;

		lq_listener_drop(lst, LISTENQ_DROP_REQUEST_EXPIRED);
		__NET_INC_STATS(net, LINUX_MIB_TCPTIMEOUTS);
		lq_request_key(list, &key);
		trace_drop(lst, &key, LISTENQ_DROP_REQUEST_EXPIRED);
		lq_request_free(list);
		list = next;
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
	do {
		tick.now = lq_now();
		spin_lock(&shard->lock);
		lq_core_tick(shard->core, &tick);
		if (tick.again && ++calls == LQ_TICK_CALLS)
			mod_timer(&shard->timer, jiffies + 1);
		else if (!tick.idle && !tick.again)
			lq_timer_arm_locked(shard);
		spin_unlock(&shard->lock);

		for (i = 0; i < tick.resend_count; i++) {
			__NET_INC_STATS(net, LINUX_MIB_TCPTIMEOUTS);
			if (lq_synack_send(lst, &tick.resend[i].request, NULL,
					   lq_tsval(ktime_get_ns()), NULL, true))
				lq_listener_event(lst, LISTENQ_EVENT_SYNACK_RETRANS);
			else
				lq_synack_unsent(shard, LISTENQ_EVENT_SYNACK_RETRANS);
		}
		lq_tick_expired(lst, tick.expired);
	} while (tick.again && calls < LQ_TICK_CALLS);
	rcu_read_unlock();
	lq_event_check(shard);
}

void lq_timer_init(struct lq_shard *shard)
{
	timer_setup(&shard->timer, lq_timer, 0);
}
