// SPDX-License-Identifier: GPL-2.0
/*
 * Whose a listener is, and for how long it is there.
 *
 * The listener of a sock is written in a table of ours (lq_owners), and not in the sock, where
 * others write, too. icsk_af_ops is how a segment in softirq finds the listener, and no more.
 */
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "../compat/compat.h"
#include "listener.h"
#include "net.h"
#include "ops.h"
#include "shard.h"

/* --- owners --- */

static const struct rhashtable_params lq_owner_params = {
	.key_len = sizeof(struct sock *),
	.key_offset = offsetof(struct lq_listener, sk),
	.head_offset = offsetof(struct lq_listener, owner_node),
	.automatic_shrinking = true,
};
static struct rhashtable lq_owners; /* struct lq_listener by its sock */

int lq_owners_init(void)
{
	return rhashtable_init(&lq_owners, &lq_owner_params);
}

void lq_owners_exit(void)
{
	rhashtable_destroy(&lq_owners);
}

struct lq_listener *lq_listener_owned(const struct sock *sk)
{
	return rhashtable_lookup_fast(&lq_owners, &sk, lq_owner_params);
}

int lq_owners_add(struct lq_listener *lst)
{
	return rhashtable_insert_fast(&lq_owners, &lst->owner_node, lq_owner_params) ? -ENOMEM : 0;
}

void lq_owners_remove(struct lq_listener *lst)
{
	rhashtable_remove_fast(&lq_owners, &lst->owner_node, lq_owner_params);
}

/* --- references --- */

static void lq_listener_free_rcu(struct rcu_head *rcu)
{
	struct lq_listener *lst = container_of(rcu, struct lq_listener, rcu);

	if (lst->carrier)
		lq_compat_carrier_put(lst->carrier);
	lq_shards_free(lst->more_shards, lst->shard_count - 1);
	kfree(lst->former);
	kfree(lst);
}

void lq_listener_put(struct lq_listener *lst)
{
	if (lst && refcount_dec_and_test(&lst->refs))
		call_rcu(&lst->rcu, lq_listener_free_rcu);
}

bool lq_listener_hold(struct lq_listener *lst)
{
	/* The listener goes after its sock: whoever has the sock has both. */
	if (!lst || !refcount_inc_not_zero(&lst->sk->sk_refcnt))
		return false;
	refcount_inc(&lst->refs);
	return true;
}

void lq_listener_release(struct lq_listener *lst)
{
	struct sock *sk = lst->sk;

	lq_listener_put(lst);
	sock_put(sk);
}

/* --- who waits --- */

u32 lq_listener_tcp_waiters(const struct sock *sk)
{
	const struct wait_queue_entry *wait;
	struct socket_wq *wq;
	unsigned long flags;
	u32 count = 0;

	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (wq) {
		spin_lock_irqsave(&wq->wait.lock, flags);
		list_for_each_entry(wait, &wq->wait.head, entry)
			count += wait->func == autoremove_wake_function;
		spin_unlock_irqrestore(&wq->wait.lock, flags);
	}
	rcu_read_unlock();
	return count;
}

/* --- TCP's listener ends --- */

void lq_listener_ended(struct lq_listener *lst)
{
	/* Somebody may be about to connect it, past us. */
	if (lst->adopted)
		lq_ulp_on(lst->sk);
	if (!READ_ONCE(lst->listening))
		return;
	WRITE_ONCE(lst->ended, true);
	refcount_inc(&lst->refs);
	sock_hold(lst->sk);
	if (!queue_work(lq_wq, &lst->end_work)) {
		sock_put(lst->sk); /* not the last: somebody ends it under its lock */
		lq_listener_put(lst);
	}
}
