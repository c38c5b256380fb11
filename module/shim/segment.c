// SPDX-License-Identifier: GPL-2.0
/* What a segment says, and what TCP holds it to before it lets it near a listener. Softirq, RCU. */
#include <linux/filter.h>
#include <net/xfrm.h>

#include "../bridge/segment.h"
#include "clock.h"
#include "segment.h"

bool lq_segment_acceptable(struct sock *sk, struct sk_buff *skb, bool v6)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		if (ipv6_hdr(skb)->hop_limit < READ_ONCE(inet6_sk(sk)->min_hopcount) ||
		    !xfrm6_policy_check(sk, XFRM_POLICY_IN, skb))
			return false;
	} else
#endif
	if (ip_hdr(skb)->ttl < READ_ONCE(inet_sk(sk)->min_ttl) ||
	    !xfrm4_policy_check(sk, XFRM_POLICY_IN, skb)) {
		return false;
	}
	return !sk_filter_trim_cap(sk, skb, tcp_hdrlen(skb));
}

void lq_ack_read(struct lq_ack *ack, const struct sk_buff *skb)
{
	const struct tcphdr *th = tcp_hdr(skb);

	ack->local_port = (__force u16)th->dest;
	ack->seq = ntohl(th->seq);
	ack->end_seq = ack->seq + th->syn + th->fin + skb->len - th->doff * 4;
	ack->ack_seq = ntohl(th->ack_seq);
	ack->ack = th->ack;
	ack->rst = th->rst;
	ack->syn = th->syn;
	ack->saw_tstamp = lq_core_timestamp((const u8 *)(th + 1), th->doff * 4 - sizeof(*th),
					    &ack->tsval, &ack->tsecr);
	ack->now = lq_now();
	ack->now_s = lq_now_s();
	ack->waited = false;
	ack->vetted = false;
	ack->cookie_failed = false;
	ack->cookies_recent = false;
	ack->reason = LISTENQ_DROP_NONE;
	ack->cookie_mss = 0;
}

void lq_restore_cb(struct sk_buff *skb, bool v6)
{
	const struct tcp_skb_cb *cb = TCP_SKB_CB(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		memmove(IP6CB(skb), &cb->header.h6, sizeof(struct inet6_skb_parm));
		return;
	}
#endif
	memmove(IPCB(skb), &cb->header.h4, sizeof(struct inet_skb_parm));
}
