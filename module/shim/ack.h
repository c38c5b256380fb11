/* SPDX-License-Identifier: GPL-2.0 */
/* An ACK or RST that may be for a request. */
#ifndef LISTENQ_ACK_H
#define LISTENQ_ACK_H

#include "listener.h"
#include "segment.h"

/*
 * Ask the core of @lst about the segment, and carry the answer out if TCP's checks let the segment
 * near a listener. LQ_ACK_UNKNOWN: not its request; otherwise *result is what became of it. @only:
 * no other listener of ours may have its request.
 */
enum lq_ack_verdict lq_ack_try(struct lq_listener *lst, struct sk_buff *skb, struct lq_ack *ack,
			       bool only, enum lq_received *result);

#endif
