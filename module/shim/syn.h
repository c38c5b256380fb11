/* SPDX-License-Identifier: GPL-2.0 */
/* A SYN, by whichever door. */
#ifndef LISTENQ_SYN_H
#define LISTENQ_SYN_H

#include "listener.h"

struct lq_syn_in {
	struct lq_syn syn;    /* for the core; the door fills in the key */
	struct sk_buff *skb;  /* data at the TCP header, all of which is linear */
	const struct tcphdr *th;
	u32 tw_isn;	      /* TCP chose it: a TIME_WAIT pair is reused; 0: none */
	u8 dsfield;
	bool l3_slave;	      /* IPv6: came in by a VRF's slave */
	bool consume;	      /* by the first door: the skb is ours, to consume or to answer in */
};
/* Softirq, RCU, as the next. While @lst goes back to TCP: whether it has no request of @key. */
bool lq_syn_is_new(struct lq_listener *lst, const struct lq_key *key);
/* Whether the SYN of a connection with @key is TCP's. */
static inline bool lq_syn_released(struct lq_listener *lst, const struct lq_key *key)
{
	return unlikely(READ_ONCE(lst->releasing)) && lq_syn_is_new(lst, key);
}
void lq_syn_receive(struct lq_listener *lst, struct lq_syn_in *in);

#endif
