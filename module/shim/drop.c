// SPDX-License-Identifier: GPL-2.0
/*
 * What a drop is told to: the namespace's counters, the tracepoint, and TCP's own counters, which
 * dashboards know. Each reason is one row of a table. The listener's own counters are the core's,
 * which decided on the drop or was told of it.
 */
#include "../compat/compat.h"
#include "drop.h"
#include "listener.h"
#include "request.h"
#include "trace.h"

/* Beside LISTENQ_DROP_*, which each has. */
struct lq_drop_counters {
	union {
		struct {
			u8 reset;    /* LINUX_MIB_*, too: the peer, or we, gave the request up */
			u8 attempts; /* TCP_MIB_*; 0: none */
			u8 event;    /* enum listenq_event; 0: none */
			u8 unused;
		};
		u32 rare; /* any of them */
	};
	u8 net;	     /* LINUX_MIB_*: TcpExt; 0: none */
	bool listen; /* a connection that a listener did not take: tcp_listendrop() */
};

static const struct lq_drop_counters lq_drop_table[__LISTENQ_DROP_MAX] = {
	/* A SYN, or an ACK, that found no room, no way or no permission. */
	[LISTENQ_DROP_SYN_QUEUE_FULL] = { .net = LINUX_MIB_TCPREQQFULLDROP, .listen = true },
	[LISTENQ_DROP_SYN_BUCKET_FULL] = { .net = LINUX_MIB_TCPREQQFULLDROP, .listen = true },
	[LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN] = { .net = LINUX_MIB_LISTENOVERFLOWS, .listen = true },
	[LISTENQ_DROP_SYN_LAST_QUARTER] = { .listen = true },
	[LISTENQ_DROP_NO_MEMORY] = { .listen = true },
	[LISTENQ_DROP_NO_ROUTE] = { .listen = true },
	[LISTENQ_DROP_LSM] = { .listen = true },
	[LISTENQ_DROP_SYN_ADMISSION] = { .listen = true },
	[LISTENQ_DROP_SYN_SIGNED] = {}, /* counted by tcp_inbound_hash()'s rules */
	[LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK] = { .net = LINUX_MIB_LISTENOVERFLOWS, .listen = true },
	[LISTENQ_DROP_ABORT_ON_OVERFLOW] = { .net = LINUX_MIB_LISTENOVERFLOWS, .listen = true,
					     .reset = LINUX_MIB_EMBRYONICRSTS },

	/* A segment, and its request stays. */
	[LISTENQ_DROP_SYN_RATE_LIMITED] = { .net = LINUX_MIB_TCPACKSKIPPEDSYNRECV,
					    .event = LISTENQ_EVENT_SYN_DUPLICATE },
	[LISTENQ_DROP_ACK_PAWS] = { .net = LINUX_MIB_PAWSESTABREJECTED },
	[LISTENQ_DROP_ACK_DEFERRED] = { .net = LINUX_MIB_TCPDEFERACCEPTDROP },
	[LISTENQ_DROP_ACK_BAD_SEQ] = {},
	[LISTENQ_DROP_ACK_BUSY] = {},
	[LISTENQ_DROP_CHILD_FAILED] = {},

	/* A request. */
	[LISTENQ_DROP_REQUEST_EXPIRED] = { .net = LINUX_MIB_TCPTIMEOUTS },
	[LISTENQ_DROP_REQUEST_UNSERVED] = { .net = LINUX_MIB_TCPTIMEOUTS },
	[LISTENQ_DROP_REQUEST_RESET] = { .reset = LINUX_MIB_EMBRYONICRSTS,
					 .attempts = TCP_MIB_ATTEMPTFAILS },
	[LISTENQ_DROP_REQUEST_SYN_IN_WINDOW] = { .reset = LINUX_MIB_EMBRYONICRSTS,
						 .attempts = TCP_MIB_ATTEMPTFAILS },
	[LISTENQ_DROP_REQUEST_UNREACHABLE] = { .listen = true },
	[LISTENQ_DROP_REQUEST_EVICTED] = {},

	/* A request or a connection, with its listener (of a SYN see syn.c); a held connection. */
	[LISTENQ_DROP_LISTENER_CLOSED] = {},
	[LISTENQ_DROP_FILTER_OVERFLOW] = {},
	[LISTENQ_DROP_FILTER_GONE] = {},
	[LISTENQ_DROP_FILTER_REFUSED] = {},

	/* A connection that waited for accept(): its peer left, or we gave it up. */
	[LISTENQ_DROP_ACCEPT_GONE] = {}, /* its reset is in EstabResets */
	[LISTENQ_DROP_ACCEPT_FINISHED] = {},
	[LISTENQ_DROP_ACCEPT_EXPIRED] = { .net = LINUX_MIB_TCPABORTONTIMEOUT, .listen = true },
	[LISTENQ_DROP_ACCEPT_CODEL] = { .listen = true },
};

static void lq_drop_count_rare(const struct lq_listener *lst,
			       const struct lq_drop_counters *counters)
{
	struct net *net = sock_net(lst->sk);

	if (counters->reset)
		NET_INC_STATS(net, counters->reset);
	if (counters->attempts)
		TCP_INC_STATS(net, counters->attempts);
	if (counters->event)
		lq_listener_event(lst, counters->event);
}

void lq_drop(struct lq_listener *lst, const struct lq_key *key, u32 reason)
{
	const struct lq_drop_counters *counters = &lq_drop_table[reason];

	BUILD_BUG_ON(__LINUX_MIB_MAX > U8_MAX || __TCP_MIB_MAX > U8_MAX);
	this_cpu_inc(lst->lqn->counters->drops[reason]);
	if (counters->net)
		NET_INC_STATS(sock_net(lst->sk), counters->net);
	if (counters->listen)
		tcp_listendrop(lst->sk);
	if (unlikely(counters->rare))
		lq_drop_count_rare(lst, counters);
	trace_drop(lst, key, reason); /* last: a flood of drops saves no register for it */
}

void lq_drop_of_cookie(struct lq_listener *lst, const struct lq_key *key, u32 reason)
{
	this_cpu_inc(lst->lqn->counters->drops[reason]);
	trace_drop(lst, key, reason);
}

void lq_drop_request(struct lq_listener *lst, struct lq_request *request, u32 reason)
{
	struct lq_key key LQ_UNINITIALIZED; /* of which nothing but what is filled is traced */

	lq_request_key(request, &key);
	lq_drop(lst, &key, reason);
	lq_request_free(request);
}
