/* SPDX-License-Identifier: GPL-2.0 */
/* SO_REUSEPORT groups that share: steal_us and stalled_ms. */
#ifndef LISTENQ_SHARE_H
#define LISTENQ_SHARE_H

#include "listener.h"
#include "settings.h"

bool lq_share_pull_for(struct sock *sk);

/*
 * Process context, no locks: whether the sock of ours @sk, with whose queue empty, has a connection on it
 * now that another member of its group had. RCU must not be held.
 */
static inline bool lq_share_pull(struct sock *sk)
{
	const struct lq_listener *lst;
	bool steals;

	rcu_read_lock();
	lst = lq_listener_of(sk);
	steals = lst && READ_ONCE(lst->steals);
	rcu_read_unlock();
	return unlikely(steals) && lq_share_pull_for(sk);
}

/* The work of a listener; cancelled when the last of its cores has closed. */
void lq_share_init(struct lq_listener *lst);

/*
 * Softirq, RCU: member number @turn of those that a SYN of @key may be given to instead of @lst, or
 * NULL: there is no such member. The first turn is 0.
 */
struct lq_listener *lq_share_of_syn(struct lq_listener *lst, const struct lq_key *key, u32 turn);

#endif
