/* SPDX-License-Identifier: GPL-2.0 */
/* SYN cookies: when one was sent, and an ACK that may bring one back. */
#ifndef LISTENQ_COOKIE_H
#define LISTENQ_COOKIE_H

#include "../bridge/segment.h"
#include "segment.h"
#include "shard.h"

static inline u32 *lq_cookie_slot(struct lq_net *lqn, u16 local_port)
{
	return &lqn->cookie_sent_s[(local_port ^ local_port >> 8) % LQ_COOKIE_SLOTS];
}
/* A listener at the port sent a cookie. Any context. */
static inline void lq_cookie_remember(struct lq_net *lqn, u16 local_port, u32 now_s)
{
	u32 *slot = lq_cookie_slot(lqn, local_port);

	if (READ_ONCE(*slot) != (now_s ? : 1))
		WRITE_ONCE(*slot, now_s ? : 1);
}
/* Whether a listener at the port may have sent a cookie that is still good. */
static inline bool lq_cookies_recent(struct lq_net *lqn, u16 local_port, u32 now_s)
{
	const u32 sent = READ_ONCE(*lq_cookie_slot(lqn, local_port));

	return unlikely(sent && now_s - sent <= LQ_COOKIE_LIFE_S);
}

/*
 * After LQ_ACK_MAYBE_COOKIE: LQ_ACK_UNKNOWN if it brings none; *result is what
 * became of the segment. skb->data is at the TCP header. Softirq, RCU.
 */
enum lq_ack_verdict lq_cookie_try(struct lq_shard *shard, struct sk_buff *skb, struct lq_ack *ack,
				  bool only, enum lq_received *result);

#endif
