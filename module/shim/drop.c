// SPDX-License-Identifier: GPL-2.0
/*
 * What a drop is told to: the namespace's counters, the tracepoint, and TCP's own counters, which
 * dashboards know. Each reason is one row of a table. The listener's own counters are the core's,
 * which decided on the drop or was told of it.
 */
#include "drop.h"
#include "trace.h"

/* Beside LISTENQ_DROP_*, which each has. */
struct lq_drop_counters {
	u8 net[2];   /* LINUX_MIB_*: TcpExt; 0: none */
	u8 tcp;	     /* TCP_MIB_*; 0: none */
	u8 event;    /* enum listenq_event; 0: none */
	bool listen; /* a connection that a listener did not take: tcp_listendrop() */
};

static const struct lq_drop_counters lq_drop_table[__LISTENQ_DROP_MAX] = {
	/* A SYN, or an ACK, of a connection that nothing is kept of. */
	[LISTENQ_DROP_SYN_QUEUE_FULL] = { { LINUX_MIB_TCPREQQFULLDROP }, .listen = true },
	[LISTENQ_DROP_SYN_BUCKET_FULL] = { { LINUX_MIB_TCPREQQFULLDROP }, .listen = true },
	[LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN] = { { LINUX_MIB_LISTENOVERFLOWS }, .listen = true },
	[LISTENQ_DROP_SYN_LAST_QUARTER] = { .listen = true },
	[LISTENQ_DROP_NO_MEMORY] = { .listen = true },
	[LISTENQ_DROP_NO_ROUTE] = { .listen = true },
	[LISTENQ_DROP_LSM] = { .listen = true },
	[LISTENQ_DROP_SYN_SIGNED] = {}, /* counted by tcp_inbound_hash()'s rules */
	[LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK] = { { LINUX_MIB_LISTENOVERFLOWS }, .listen = true },
	[LISTENQ_DROP_ABORT_ON_OVERFLOW] = { { LINUX_MIB_LISTENOVERFLOWS,
					       LINUX_MIB_EMBRYONICRSTS }, .listen = true },

	/* A segment, and its request stays. */
	[LISTENQ_DROP_SYN_RATE_LIMITED] = { { LINUX_MIB_TCPACKSKIPPEDSYNRECV },
					    .event = LISTENQ_EVENT_SYN_DUPLICATE },
	[LISTENQ_DROP_ACK_PAWS] = { { LINUX_MIB_PAWSESTABREJECTED } },
	[LISTENQ_DROP_ACK_DEFERRED] = { { LINUX_MIB_TCPDEFERACCEPTDROP } },
	[LISTENQ_DROP_ACK_BAD_SEQ] = {},
	[LISTENQ_DROP_ACK_BUSY] = {},
	[LISTENQ_DROP_CHILD_FAILED] = {},

	/* A request. */
	[LISTENQ_DROP_REQUEST_EXPIRED] = { { LINUX_MIB_TCPTIMEOUTS } },
	[LISTENQ_DROP_REQUEST_RESET] = { { LINUX_MIB_EMBRYONICRSTS }, TCP_MIB_ATTEMPTFAILS },
	[LISTENQ_DROP_REQUEST_SYN_IN_WINDOW] = { { LINUX_MIB_EMBRYONICRSTS },
						 TCP_MIB_ATTEMPTFAILS },
	[LISTENQ_DROP_REQUEST_UNREACHABLE] = { .listen = true },
	[LISTENQ_DROP_REQUEST_EVICTED] = {},

	/* A request or a connection, with its listener (of a SYN see syn.c); a held connection. */
	[LISTENQ_DROP_LISTENER_CLOSED] = {},
	[LISTENQ_DROP_FILTER_OVERFLOW] = {},
	[LISTENQ_DROP_FILTER_GONE] = {},
	[LISTENQ_DROP_FILTER_REFUSED] = {},
};

void lq_drop(struct lq_listener *lst, const struct lq_key *key, u8 reason)
{
	const struct lq_drop_counters *counters = &lq_drop_table[reason];
	struct net *net = sock_net(lst->sk);

	BUILD_BUG_ON(__LINUX_MIB_MAX > U8_MAX || __TCP_MIB_MAX > U8_MAX);
	this_cpu_inc(lst->lqn->counters->drops[reason]);
	trace_drop(lst, key, reason);
	if (counters->net[0])
		NET_INC_STATS(net, counters->net[0]);
	if (counters->net[1])
		NET_INC_STATS(net, counters->net[1]);
	if (counters->tcp)
		TCP_INC_STATS(net, counters->tcp);
	if (counters->event)
		lq_listener_event(lst, counters->event);
	if (counters->listen)
		tcp_listendrop(lst->sk);
}

void lq_drop_request(struct lq_listener *lst, struct lq_request *request, u8 reason)
{
	struct lq_key key LQ_UNINITIALIZED; /* of which nothing but what is filled is traced */

	lq_request_key(request, &key);
	lq_drop(lst, &key, reason);
	lq_request_free(request);
}
