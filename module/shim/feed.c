// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks that wait in TCP's own accept() on a listener that is ours now: nothing tells them that their
 * socket has other operations. Each gets a connection by TCP's own queue, by a carrier (accept.c), and
 * comes to us with its next call. So no task is interrupted, and no accept() fails.
 *
 * A work does it, for as long as there may be such a task. A task that found TCP's operations and has
 * not come to wait yet cannot be seen. So the work ends when it sees nobody twice, at a time when
 * nobody has lock_sock or waits for it, and RCU has seen every task leave what it was at in between
 * (call_rcu_tasks(), for which a task that waits has left, too).
 *
 * poll() and epoll call the operation that there is. One that looked into TCP's queue as it changed
 * hands may have missed a connection in ours: while the work runs, it wakes for what is there.
 */
#include "../compat/compat.h"
#include "accept.h"
#include "feed.h"
#include "shard.h"

/* A connection that comes is fed at once; this is for who was not seen, and may wait for ever. */
#define LQ_FEED_DELAY_MAX (5 * HZ)

enum lq_feed_grace {
	LQ_FEED_GRACE_NONE,
	LQ_FEED_GRACE_UNDER_WAY,
	LQ_FEED_GRACE_SPOILT, /* under way, and somebody was seen since */
	LQ_FEED_GRACE_DONE,
};

static void lq_feed_grace_done(struct rcu_head *rcu)
{
	struct lq_listener *lst = container_of(rcu, struct lq_listener, feed_rcu);

	/* Of the work alone but for this; what it spoils meanwhile is spoilt. */
	if (cmpxchg(&lst->feed_grace, LQ_FEED_GRACE_UNDER_WAY, LQ_FEED_GRACE_DONE) !=
	    LQ_FEED_GRACE_UNDER_WAY)
		WRITE_ONCE(lst->feed_grace, LQ_FEED_GRACE_NONE);
	lq_listener_put(lst);
}

/* Nobody is seen, or somebody is. True: there is nobody. */
static bool lq_feed_is_over(struct lq_listener *lst, bool quiet)
{
	switch (READ_ONCE(lst->feed_grace)) {
	case LQ_FEED_GRACE_NONE:
		if (quiet) {
			refcount_inc(&lst->refs);
			WRITE_ONCE(lst->feed_grace, LQ_FEED_GRACE_UNDER_WAY);
			call_rcu_tasks(&lst->feed_rcu, lq_feed_grace_done);
		}
		return false;
	case LQ_FEED_GRACE_UNDER_WAY:
		if (!quiet && cmpxchg(&lst->feed_grace, LQ_FEED_GRACE_UNDER_WAY,
				      LQ_FEED_GRACE_SPOILT) == LQ_FEED_GRACE_DONE)
			WRITE_ONCE(lst->feed_grace, LQ_FEED_GRACE_NONE);
		return false;
	case LQ_FEED_GRACE_DONE:
		if (!quiet)
			WRITE_ONCE(lst->feed_grace, LQ_FEED_GRACE_NONE);
		return quiet;
	}
	return false;
}

/* How many connections are on TCP's own queue. */
static u32 lq_feed_queued(struct lq_listener *lst)
{
	struct request_sock_queue *queue = &inet_csk(lst->sk)->icsk_accept_queue;
	u32 count;

	spin_lock_bh(&queue->rskq_lock);
	count = lst->sk->sk_ack_backlog - (lst->guarded ? lst->ack_backlog : 0);
	spin_unlock_bh(&queue->rskq_lock);
	return count;
}

static bool lq_feed_waits(const struct lq_listener *lst)
{
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i) {
		if (lq_core_accept_qlen(shard->core))
			return true;
	}
	return false;
}

static void lq_feed(struct work_struct *work)
{
	struct lq_listener *lst = container_of(to_delayed_work(work), struct lq_listener, feed);
	struct sock *sk = lst->sk;
	const u32 waiters = lq_listener_tcp_waiters(sk);
	u32 queued = lq_feed_queued(lst);
	bool quiet;

	if (!READ_ONCE(lst->feeding))
		return;
	while (queued < waiters && lq_accept_bring(lst))
		queued++;
	if (queued || lq_feed_waits(lst))
		READ_ONCE(sk->sk_data_ready)(sk);
	quiet = !waiters && !sock_owned_by_user_nocheck(sk) &&
		!waitqueue_active(&sk->sk_lock.wq);
	if (lq_feed_is_over(lst, quiet)) {
		WRITE_ONCE(lst->feeding, false);
		return;
	}
	queue_delayed_work(lq_wq, &lst->feed, lst->feed_delay);
	lst->feed_delay = min_t(unsigned long, 2 * lst->feed_delay, LQ_FEED_DELAY_MAX);
}

void lq_feed_start(struct lq_listener *lst)
{
	INIT_DELAYED_WORK(&lst->feed, lq_feed);
	lst->feed_delay = 1;
	WRITE_ONCE(lst->feeding, true);
	queue_delayed_work(lq_wq, &lst->feed, 0);
}
