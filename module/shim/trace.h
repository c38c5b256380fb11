/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints listenq:*, one for each step that a request takes; a stable
 * surface for bpftrace. Common fields: id (of the listener), lport and rport
 * in host byte order, family (2 or 10), raddr and laddr (4 or 16 bytes in
 * network order, the rest 0), and the queues' lengths when it was written.
 *
 *	listen, close			a listener's life
 *	syn, request, synack		SYN came; request queued; SYN-ACK sent
 *	established, accept		child queued; handed to accept()
 *	filter_hold, filter_pass	child held by an accept filter; queued after it
 *	drop				reason: enum listenq_drop, and its name
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM listenq

#if !defined(LISTENQ_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LISTENQ_TRACE_H

#include <linux/tracepoint.h>

#include "clock.h"
#include "request.h"
#include "shard.h"

#ifndef LISTENQ_TRACE_ONCE
#define LISTENQ_TRACE_ONCE

/* Names of enum listenq_drop; NULL for LISTENQ_DROP_NONE. */
extern const char *const lq_drop_names[__LISTENQ_DROP_MAX];

/* Read without a lock: lengths as of about now. */
struct lq_trace_lengths {
	u32 accept_qlen;
	u32 syn_qlen;
};

static inline struct lq_trace_lengths lq_trace_lengths(const struct lq_listener *lst)
{
	struct lq_trace_lengths lengths = {};
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i) {
		lengths.accept_qlen += lq_core_accept_qlen(shard->core);
		lengths.syn_qlen += lq_core_syn_qlen(shard->core);
	}
	return lengths;
}
#endif

#define LQ_TRACE_LISTENER_FIELDS \
	__field(__u64, id) \
	__field(__u16, family) \
	__field(__u16, lport) \
	__field(__u32, accept_qlen) \
	__field(__u32, syn_qlen)

#define LQ_TRACE_LISTENER_ASSIGN(lst) \
	{ \
		const struct lq_trace_lengths lengths = lq_trace_lengths(lst); \
		__entry->id = READ_ONCE((lst)->id); \
		__entry->family = (lst)->sk->sk_family; \
		__entry->lport = inet_sk((lst)->sk)->inet_num; \
		__entry->accept_qlen = lengths.accept_qlen; \
		__entry->syn_qlen = lengths.syn_qlen; \
	}

#define LQ_TRACE_PEER_FIELDS \
	__field(__u16, rport) \
	__array(__u8, raddr, 16) \
	__array(__u8, laddr, 16)

/* @words: struct lq_key.addr or struct lq_request.addr */
#define LQ_TRACE_PEER_ASSIGN(port, words, v6) \
	{ \
		const size_t size = (v6) ? 16 : 4; \
		__entry->family = (v6) ? AF_INET6 : AF_INET; \
		__entry->rport = ntohs((__force __be16)(port)); \
		memset(__entry->raddr, 0, 16); \
		memset(__entry->laddr, 0, 16); \
		memcpy(__entry->raddr, (const u8 *)(words), size); \
		memcpy(__entry->laddr, (const u8 *)(words) + size, size); \
	}

TRACE_EVENT(listen,
	TP_PROTO(const struct lq_listener *lst, int asked),
	TP_ARGS(lst, asked),
	TP_STRUCT__entry(
		LQ_TRACE_LISTENER_FIELDS
		__field(__s32, asked)
		__field(__u32, backlog)
		__field(__u32, accept_limit)
		__field(__u32, syn_limit)
	),
	TP_fast_assign(
		LQ_TRACE_LISTENER_ASSIGN(lst)
		__entry->asked = asked;
		__entry->backlog = READ_ONCE(lst->limits.backlog);
		__entry->accept_limit = READ_ONCE(lst->limits.accept_limit);
		__entry->syn_limit = READ_ONCE(lst->limits.syn_limit);
	),
	TP_printk("id=%llu lport=%u asked=%d backlog=%u accept_limit=%u syn_limit=%u",
		  __entry->id, __entry->lport, __entry->asked, __entry->backlog,
		  __entry->accept_limit, __entry->syn_limit)
);

TRACE_EVENT(close,
	TP_PROTO(const struct lq_listener *lst),
	TP_ARGS(lst),
	TP_STRUCT__entry(LQ_TRACE_LISTENER_FIELDS),
	TP_fast_assign(LQ_TRACE_LISTENER_ASSIGN(lst)),
	TP_printk("id=%llu lport=%u", __entry->id, __entry->lport)
);

DECLARE_EVENT_CLASS(lq_key,
	TP_PROTO(const struct lq_listener *lst, const struct lq_key *key),
	TP_ARGS(lst, key),
	TP_STRUCT__entry(
		LQ_TRACE_LISTENER_FIELDS
		LQ_TRACE_PEER_FIELDS
	),
	TP_fast_assign(
		LQ_TRACE_LISTENER_ASSIGN(lst)
		LQ_TRACE_PEER_ASSIGN(key->peer_port, key->addr, key->v6)
	),
	TP_printk("id=%llu lport=%u raddr=%*phC rport=%u accept_qlen=%u syn_qlen=%u",
		  __entry->id, __entry->lport, __entry->family == AF_INET6 ? 16 : 4,
		  __entry->raddr, __entry->rport, __entry->accept_qlen, __entry->syn_qlen)
);

DEFINE_EVENT(lq_key, syn,
	TP_PROTO(const struct lq_listener *lst, const struct lq_key *key),
	TP_ARGS(lst, key)
);

DECLARE_EVENT_CLASS(lq_request,
	TP_PROTO(const struct lq_listener *lst, const struct lq_request *request),
	TP_ARGS(lst, request),
	TP_STRUCT__entry(
		LQ_TRACE_LISTENER_FIELDS
		LQ_TRACE_PEER_FIELDS
		__field(__u8, num_timeout)
		__field(__u8, num_retrans)
		__field(__u32, age_us)
	),
	TP_fast_assign(
		LQ_TRACE_LISTENER_ASSIGN(lst)
		LQ_TRACE_PEER_ASSIGN(request->peer_port, lq_request_addresses(request),
				     request->flags & LQ_REQ_V6)
		__entry->num_timeout = request->num_timeout;
		__entry->num_retrans = request->num_retrans;
		__entry->age_us = lq_now_us() - request->stamp_us;
	),
	TP_printk("id=%llu lport=%u raddr=%*phC rport=%u accept_qlen=%u syn_qlen=%u retrans=%u age_us=%u",
		  __entry->id, __entry->lport, __entry->family == AF_INET6 ? 16 : 4,
		  __entry->raddr, __entry->rport, __entry->accept_qlen, __entry->syn_qlen,
		  __entry->num_retrans, __entry->age_us)
);

/* age_us: since the SYN-ACK was first sent */
DEFINE_EVENT(lq_request, request,
	TP_PROTO(const struct lq_listener *lst, const struct lq_request *request),
	TP_ARGS(lst, request)
);
DEFINE_EVENT(lq_request, synack,
	TP_PROTO(const struct lq_listener *lst, const struct lq_request *request),
	TP_ARGS(lst, request)
);
DEFINE_EVENT(lq_request, established,
	TP_PROTO(const struct lq_listener *lst, const struct lq_request *request),
	TP_ARGS(lst, request)
);

/* Held by an accept filter, before it is queued for accept(). */
DEFINE_EVENT(lq_request, filter_hold,
	TP_PROTO(const struct lq_listener *lst, const struct lq_request *request),
	TP_ARGS(lst, request)
);

/* @request is on a queue, or was: only its addresses are read. */
DECLARE_EVENT_CLASS(lq_wait,
	TP_PROTO(const struct lq_listener *lst, const struct lq_request *request, u32 wait_us),
	TP_ARGS(lst, request, wait_us),
	TP_STRUCT__entry(
		LQ_TRACE_LISTENER_FIELDS
		LQ_TRACE_PEER_FIELDS
		__field(__u32, wait_us)
	),
	TP_fast_assign(
		LQ_TRACE_LISTENER_ASSIGN(lst)
		LQ_TRACE_PEER_ASSIGN(request->peer_port, lq_request_addresses(request),
				     request->flags & LQ_REQ_V6)
		__entry->wait_us = wait_us;
	),
	TP_printk("id=%llu lport=%u raddr=%*phC rport=%u accept_qlen=%u wait_us=%u", __entry->id,
		  __entry->lport, __entry->family == AF_INET6 ? 16 : 4, __entry->raddr,
		  __entry->rport, __entry->accept_qlen, __entry->wait_us)
);

/* wait_us: since it was put on the accept queue, or since the filter holds it */
DEFINE_EVENT(lq_wait, accept,
	TP_PROTO(const struct lq_listener *lst, const struct lq_request *request, u32 wait_us),
	TP_ARGS(lst, request, wait_us)
);
DEFINE_EVENT(lq_wait, filter_pass,
	TP_PROTO(const struct lq_listener *lst, const struct lq_request *request, u32 wait_us),
	TP_ARGS(lst, request, wait_us)
);

TRACE_EVENT(drop,
	TP_PROTO(const struct lq_listener *lst, const struct lq_key *key, u8 reason),
	TP_ARGS(lst, key, reason),
	TP_STRUCT__entry(
		LQ_TRACE_LISTENER_FIELDS
		LQ_TRACE_PEER_FIELDS
		__field(__u8, reason)
		__array(char, name, 24)
	),
	TP_fast_assign(
		LQ_TRACE_LISTENER_ASSIGN(lst)
		LQ_TRACE_PEER_ASSIGN(key->peer_port, key->addr, key->v6)
		__entry->reason = reason;
		strscpy(__entry->name, lq_drop_names[reason], sizeof(__entry->name));
	),
	TP_printk("id=%llu lport=%u raddr=%*phC rport=%u accept_qlen=%u syn_qlen=%u reason=%s",
		  __entry->id, __entry->lport, __entry->family == AF_INET6 ? 16 : 4,
		  __entry->raddr, __entry->rport, __entry->accept_qlen, __entry->syn_qlen,
		  __entry->name)
);

#endif /* LISTENQ_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
