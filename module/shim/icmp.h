/* SPDX-License-Identifier: GPL-2.0 */
/* ICMP errors that quote a SYN-ACK. */
#ifndef LISTENQ_ICMP_H
#define LISTENQ_ICMP_H

#include <linux/skbuff.h>

struct inet6_skb_parm;

/* TCP's handlers, written before ours are in the tables; NULL until then. */
typedef int lq_err_v4(struct sk_buff *skb, u32 info);
extern lq_err_v4 *lq_tcp_err_v4;
/* net_protocol.err_handler. Softirq, RCU; skb->data is at the quoted IP header. */
lq_err_v4 lq_icmp_v4;
#if IS_ENABLED(CONFIG_IPV6)
typedef int lq_err_v6(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type, u8 code, int offset,
		      __be32 info);
extern lq_err_v6 *lq_tcp_err_v6;
lq_err_v6 lq_icmp_v6; /* inet6_protocol.err_handler, likewise */
#endif

#endif
