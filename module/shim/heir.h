/* SPDX-License-Identifier: GPL-2.0 */
/* What a listener that ends has goes to others at its address. */
#ifndef LISTENQ_HEIR_H
#define LISTENQ_HEIR_H

#include "listener.h"

/*
 * lst->control held, SYNs do not find @lst any more (lq_ports_leave()), its cores are open: half-open
 * requests go, and nothing new comes. @others: whether anybody is at the port.
 */
void lq_heirs_begin(struct lq_listener *lst, bool others);
/* Whether lq_heirs_begin() found that there may be heirs. */
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
 * connection, which passed the filter @passed and waits since @since_us. Returns the heir's shard, which
 * lives as long as RCU, or NULL. *held: the heir's filter holds it, whose callbacks are to be hooked.
 */
struct lq_shard *lq_heir_take_child(struct lq_listener *lst, struct lq_request *entry,
				    struct sock *child, u8 passed, u32 since_us, bool *held);
/*
 * Process context, @entry, which waited for accept() or is let go by a filter's callbacks, is in no queue
 * any more, and its child's lock is held: the whole of it. False: it is the caller's still.
 */
bool lq_heir_take_locked(struct lq_listener *lst, struct lq_request *entry, u8 passed,
			 u32 since_us);

/* Softirq, RCU: who takes a SYN of @key that came for @lst, which ends; or NULL. */
struct lq_listener *lq_heir_of_syn(struct lq_listener *lst, const struct lq_key *key);

#endif
