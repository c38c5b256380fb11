/* SPDX-License-Identifier: GPL-2.0 */
/* The end of a child that no process will have. */
#ifndef LISTENQ_RESET_H
#define LISTENQ_RESET_H

#include <net/sock.h>

/* Reset a child that nobody will accept. Takes the queue's reference. Process context. */
void lq_child_reset(struct sock *child);
/* The same, with the child's spinlock and a reference held; no process owns its lock. */
void lq_child_forget_locked(struct sock *child);

#endif
