/* SPDX-License-Identifier: GPL-2.0 */
/* A child that an accept filter holds. But for lq_held_drop(), the child's lock is held. */
#ifndef LISTENQ_HELD_H
#define LISTENQ_HELD_H

#include "shard.h"

/* Its callbacks are ours from now on, and its own again. The latter is harmless when they are. */
void lq_held_hook(struct lq_shard *shard, struct sock *child, struct lq_request *entry);
void lq_held_unhook(const struct lq_listener *lst, struct sock *child,
		    const struct lq_request *entry);
/* It has processed its first segment, and is perhaps held no more: its buffer is not to grow. */
void lq_held_bound(struct sock *child, struct lq_request *entry);
/* It was hooked after it had received: what it waits for may be there. Softirqs off, RCU. */
void lq_held_look(struct sock *child);
/* Count @entry, which has left the queue and whose child is gone or reset, and free it. */
void lq_held_drop(struct lq_listener *lst, struct lq_request *entry, u8 reason);

#endif
