/* SPDX-License-Identifier: GPL-2.0 */
/* sk_ack_backlog, and the request that tells when TCP's listener ends. */
#ifndef LISTENQ_GUARD_H
#define LISTENQ_GUARD_H

#include "listener.h"

int lq_guard_init(void);
void lq_guard_exit(void);
struct lq_guard *lq_guard_alloc(struct lq_listener *lst); /* Process context. NULL without memory. */
void lq_guard_free(struct lq_guard *guard); /* NULL is fine */
/* lock_sock held, the sock listens: sk_ack_backlog counts ours from now on. Takes @guard. */
void lq_guard_place(struct lq_listener *lst, struct lq_guard *guard);
/* lock_sock held: TCP's listener goes on without us. Our queues are empty. */
void lq_guard_remove(struct lq_listener *lst);

/* One connection more is on our accept queues: for ss and syn_recv_sock(). BH are off. */
void lq_ack_backlog_add(struct lq_listener *lst);
/* rskq_lock held: one connection less. */
void lq_ack_backlog_remove_locked(struct lq_listener *lst);
/* rskq_lock held: a connection of ours is on the kernel's own queue now, which counts it down. */
void lq_ack_backlog_hand_over_locked(struct lq_listener *lst);

#endif
