/* SPDX-License-Identifier: GPL-2.0 */
/* The child of a request, and what becomes of its promotion. */
#ifndef LISTENQ_CHILD_H
#define LISTENQ_CHILD_H

#include "../compat/compat.h"
#include "route.h"
#include "segment.h"
#include "shard.h"

/*
 * inet_connection_sock_af_ops.syn_recv_sock: TCP itself makes a child of our listener when a
 * request of TCP's migrates to it (net.ipv4.tcp_migrate_req, or a program of the SO_REUSEPORT
 * group), or when a cookie that another member of the group sent comes back. Softirq, RCU.
 */
struct sock *lq_syn_recv_sock(LQ_SYN_RECV_SOCK_PARAMS);

/*
 * Build the child of @promotion from @skb, whose TCP_SKB_CB is filled and whose
 * data begins at the TCP header; put it on the accept queue and let it process
 * the segment. Takes @route, or finds it if that is NULL. Softirq, RCU.
 */
enum lq_received lq_child_build(struct lq_shard *shard, struct sk_buff *skb,
			    const struct lq_promotion *promotion, const struct lq_ack *ack,
			    struct lq_route *route);

/*
 * End @promotion without a child, for @reason (enum listenq_drop), and tell the drop of @key that it
 * is. True: its request is the caller's, as of lq_core_promote_abort(). Softirq.
 */
bool lq_promotion_abort(struct lq_shard *shard, const struct lq_promotion *promotion,
			const struct lq_key *key, u8 reason);
/* The segment of @promotion is not the listener's after all: its request is as it was. Softirq. */
void lq_promotion_undo(struct lq_shard *shard, const struct lq_promotion *promotion,
		       const struct lq_key *key);

#endif
