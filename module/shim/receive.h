/* SPDX-License-Identifier: GPL-2.0 */
/* Segments that TCP was about to receive. */
#ifndef LISTENQ_RECEIVE_H
#define LISTENQ_RECEIVE_H

#include "segment.h"
#include "net.h"

/* A segment whose data is at the TCP header, perhaps for a listener of @lqn. Softirq, RCU. */
enum lq_received lq_receive_v4(struct lq_net *lqn, struct sk_buff *skb);
enum lq_received lq_receive_v6(struct lq_net *lqn, struct sk_buff *skb);

#endif
