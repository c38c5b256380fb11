// SPDX-License-Identifier: GPL-2.0
/* The window that a SYN-ACK offers, as tcp_openreq_init_rwin() chooses it. Softirq. */
#include <net/tcp.h>

#include "../bridge/segment.h"
#include "../compat/compat.h"
#include "handshake.h"
#include "route.h"

/* tcp_openreq_init_rwin() of net/ipv4/tcp_minisocks.c. */
void lq_request_window(const struct sock *sk, struct lq_route *route,
		       struct lq_request *request)
{
	const struct net *net = sock_net(sk);
	const u32 full_space = max(tcp_full_space(sk), 0);
	const bool tstamp = request->flags & LQ_REQ_TSTAMP;
	u32 clamp = READ_ONCE(tcp_sk(sk)->window_clamp) ? : dst_metric(route->dst, RTAX_WINDOW);
	struct lq_window window;

	if (sk->sk_userlocks & SOCK_RCVBUF_LOCK && (clamp > full_space || clamp == 0))
		clamp = full_space;
	window = (struct lq_window) {
		.space = full_space,
		.mss = lq_synack_mss(sk, route) - (tstamp ? TCPOLEN_TSTAMP_ALIGNED : 0),
		.clamp = clamp,
		.space_max = max_t(u32, READ_ONCE(net->ipv4.sysctl_tcp_rmem[2]),
				   READ_ONCE(sysctl_rmem_max)),
		.init_segments = dst_metric(route->dst, RTAX_INITRWND),
		.wscale_ok = request->flags & LQ_REQ_WSCALE,
		.window_max = READ_ONCE(net->ipv4.sysctl_tcp_workaround_signed_windows)
				      ? MAX_TCP_WINDOW : LQ_COMPAT_FIRST_WINDOW_MAX,
	};
	lq_core_window(&window);
	request->window_clamp = window.clamp >> window.wscale;
	request->rcv_wnd = window.window;
	request->wscale |= window.wscale << 4;
}
