/* SPDX-License-Identifier: GPL-2.0 */
/* A drop: counted for the namespace and by TCP's own counters, and traced. */
#ifndef LISTENQ_DROP_H
#define LISTENQ_DROP_H

#include "listener.h"

/* Any context: a drop of @key for @reason, enum listenq_drop. The core has counted it, too. */
void lq_drop(struct lq_listener *lst, const struct lq_key *key, u32 reason);
/* The same of a cookie's ACK, of which no child came: TCP counts none. */
void lq_drop_of_cookie(struct lq_listener *lst, const struct lq_key *key, u32 reason);
/* The same of @request, which has left its queue and is freed. */
void lq_drop_request(struct lq_listener *lst, struct lq_request *request, u32 reason);

#endif
