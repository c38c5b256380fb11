/* SPDX-License-Identifier: GPL-2.0 */
/* A drop: counted, traced, and counted by TCP's own counters. The core counted it for the listener. */
#ifndef LISTENQ_DROP_H
#define LISTENQ_DROP_H

#include "listener.h"

/* Any context: a segment, request or connection of @key is dropped for @reason, enum listenq_drop. */
void lq_drop(struct lq_listener *lst, const struct lq_key *key, u8 reason);
/* The same of @request, which has left its queue and is freed. */
void lq_drop_request(struct lq_listener *lst, struct lq_request *request, u8 reason);

#endif
