/* SPDX-License-Identifier: GPL-2.0 */
/* What a SYN-ACK may agree to: options, MSS, window, ECN; for a request as for a cookie. */
#ifndef LISTENQ_HANDSHAKE_H
#define LISTENQ_HANDSHAKE_H

#include <net/dst.h>
#include <net/tcp.h>

#include "../bridge/segment.h"
#include "route.h"

/* LQ_ALLOW_*: the options that the namespace's TCP sysctls allow. */
static inline u8 lq_options_allowed(const struct net *net)
{
	return (READ_ONCE(net->ipv4.sysctl_tcp_timestamps) ? LQ_ALLOW_TSTAMP : 0) |
	       (READ_ONCE(net->ipv4.sysctl_tcp_window_scaling) ? LQ_ALLOW_WSCALE : 0) |
	       (READ_ONCE(net->ipv4.sysctl_tcp_sack) ? LQ_ALLOW_SACK : 0);
}

/* What we take in one segment. */
static inline u16 lq_synack_mss(const struct sock *sk, struct lq_route *route)
{
	const u16 user_mss = READ_ONCE(tcp_sk(sk)->rx_opt.user_mss);

	if (!route->advmss)
		route->advmss = tcp_dst_advmss(route->dst);
	return user_mss && user_mss < route->advmss ? user_mss : route->advmss;
}

/* Choose the SYN-ACK's window, the clamp and our window scale. */
void lq_request_window(const struct sock *sk, struct lq_route *route, struct lq_request *request);

/* Whether the SYN's or cookie's wish for ECN is granted. */
static inline bool lq_ecn_enabled(const struct sock *sk, const struct dst_entry *dst)
{
	return READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_ecn) ||
	       dst_feature(dst, DST_FEATURE_ECN_MASK);
}

#endif
