/* SPDX-License-Identifier: GPL-2.0 */
/* What is sent to a peer that has no socket yet: SYN-ACK, challenge ACK, RST. */
#ifndef LISTENQ_SYNACK_H
#define LISTENQ_SYNACK_H

#include "route.h"
#include "shard.h"

/*
 * Send the SYN-ACK of @request. Takes @route, or finds it if that is NULL;
 * @tsval: the clock's, without the request's offset; @from: built in its
 * memory, if possible, or NULL; consumed. False: there was no memory, or no
 * route; of a request that is queued, the timer tries again. Softirq, RCU.
 */
bool lq_synack_send(struct lq_listener *lst, const struct lq_request *request,
		    struct lq_route *route, u32 tsval, struct sk_buff *from, bool retransmission);
/* The core counted it, as lq_core_synack_unsent() says. Softirq, the shard's lock not held. */
void lq_synack_unsent(struct lq_shard *shard, u8 as);
/* A duplicate SYN of @request, as the core said: its SYN-ACK again, as lq_synack_send(). */
void lq_synack_repeat(struct lq_shard *shard, const struct lq_request *request,
		      struct sk_buff *from);
/*
 * Answer @skb, whose TCP_SKB_CB is filled, with a challenge ACK (RFC 5961, RFC 9293 3.10.7.4): its
 * numbers are not in the window of @request. Softirq.
 */
void lq_challenge_send(struct lq_listener *lst, struct sk_buff *skb,
		       const struct lq_request *request);
/*
 * A half-open @request, in no queue any more, ends without a connection for @reason: its peer is told,
 * if it believes otherwise, the drop is told, and it is freed. Softirqs off, RCU.
 */
void lq_request_end(struct lq_listener *lst, struct lq_request *request, u8 reason);
/* Answer the segment @skb, whose TCP_SKB_CB is filled, with RST. Softirq. */
void lq_reset_send(struct lq_listener *lst, struct sk_buff *skb, bool v6);

#endif
