/* SPDX-License-Identifier: GPL-2.0 */
/* What a listener that ends has goes to others at its address. */
#ifndef LISTENQ_HEIR_H
#define LISTENQ_HEIR_H

#include "listener.h"

/* Whether @heir takes anything: it listens, is not on its way back to TCP, and does not drain. */
static inline bool lq_heir_serves(const struct lq_listener *heir)
{
	return READ_ONCE(heir->serving) && !READ_ONCE(heir->releasing) && !READ_ONCE(heir->draining);
}

/* Requests in our hands while ACKs for them wait. */
#define LQ_MOVE_AT_ONCE 32

/* lq_listener.migrating: where what a listener has may go as it ends. */
#define LQ_TO_HEIRS 1
#define LQ_TO_PARKED 2

/*
 * lst->control held, SYNs do not find @lst any more (lq_ports_leave()), its cores are open: half-open
 * requests go, and nothing new comes. @others: whether anybody is at the port; @parks: whether there is
 * a parking place for it.
 */
void lq_heirs_begin(struct lq_listener *lst, bool others, bool parks);
/*
 * Softirqs off: requests of @lst are taken into our hands from here to lq_heirs_moved(), and ACKs for
 * them wait.
 */
void lq_heirs_moving(struct lq_listener *lst);
static inline void lq_heirs_moved(struct lq_listener *lst)
{
	/* Who sees either sees them where they are. */
	smp_store_release(&lst->moving, false);
	atomic_inc_return_release(&lst->lqn->moved);
}
/*
 * Process context: from here to lq_heirs_left() @lst may have requests, though it has no place any more,
 * and be asked by TCP's lookup for more: an ACK that nobody has is looked for by its tag.
 */
static inline void lq_heirs_leaving(struct lq_listener *lst)
{
	/* Who sees that the place is gone sees the number. */
	atomic_inc_return(&lst->lqn->moves);
}
static inline void lq_heirs_left(struct lq_listener *lst)
{
	atomic_inc_return_release(&lst->lqn->moved);
}
/* Whether lq_heirs_begin() found that there may be heirs, or a parking place. */
static inline bool lq_heirs_are_there(const struct lq_listener *lst)
{
	return READ_ONCE(lst->migrating);
}

/*
 * Softirqs off, RCU: @request, which the core of @lst handed back, goes to an heir. False: it is the
 * caller's still.
 */
bool lq_heir_take_request(struct lq_listener *lst, struct lq_request *request);
/*
 * Softirqs off, RCU, the lock of the child @child held, its callbacks its own: the same of a
 * connection, which passed the filter @passed and waits since @since_us. *taker is the heir's shard,
 * which lives as long as RCU.
 */
enum lq_taken {
	LQ_TAKEN_NOT,	 /* it is the caller's still */
	LQ_TAKEN_QUEUED, /* *taker: it waits for accept() */
	LQ_TAKEN_HELD,	 /* *taker: the heir's filter holds it, whose callbacks are to be hooked */
	LQ_TAKEN_PARKED,
};
enum lq_taken lq_heir_take_child(struct lq_listener *lst, struct lq_request *entry,
				 struct sock *child, u8 passed, u32 since_us,
				 struct lq_shard **taker);
/*
 * Process context, @entry, which waited for accept() or is let go by a filter's callbacks, is in no queue
 * any more, and its child's lock is held: the whole of it. False: it is the caller's still.
 */
bool lq_heir_take_locked(struct lq_listener *lst, struct lq_request *entry, u8 passed,
			 u32 since_us);

/* --- what was parked; grace.c --- */

/*
 * Softirqs off, RCU: @heir takes @request, if it has room; it is told the tags of @from, unless it has
 * the id *told.
 */
enum lq_inherited lq_heir_give_request(const struct lq_port *from, u64 *told,
				       struct lq_listener *heir, const struct lq_key *key,
				       struct lq_request *request);
/* Process context, as lq_heir_take_locked(): to @heir, which the caller holds, or to nobody. */
bool lq_heir_give_locked(struct lq_listener *heir, struct lq_request *entry, u8 passed,
			 u32 since_us);
/* What @lst had was taken over by @heir: one more is counted. */
void lq_heir_count(struct lq_listener *lst, struct lq_listener *heir);

/* Softirq, RCU: who takes a SYN of @key that came for @lst, which ends; or NULL. */
struct lq_listener *lq_heir_of_syn(struct lq_listener *lst, const struct lq_key *key);

#endif
