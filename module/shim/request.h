/* SPDX-License-Identifier: GPL-2.0 */
/* A request: its memory, its addresses, and how the kernel's own helpers see it. */
#ifndef LISTENQ_REQUEST_H
#define LISTENQ_REQUEST_H

#include <net/inet_sock.h>
#include <net/request_sock.h>

#include "listener.h"

int lq_request_init(void);
void lq_request_exit(void);
/* For a listener's @sk, whose memory cgroup pays. Any context; NULL without memory. Only flags are set. */
struct lq_request *lq_request_alloc(const struct sock *sk, bool v6);
void lq_request_free(struct lq_request *request); /* any context; NULL is fine */
/* The addresses, peer first: 8 or 32 bytes, beyond the struct for IPv6. */
static inline u8 *lq_request_addresses(const struct lq_request *request)
{
	u8 *bytes = (u8 *)request;

	OPTIMIZER_HIDE_VAR(bytes); /* they are not within the struct */
	return bytes + offsetof(struct lq_request, addr);
}
/* @copy becomes what @request is. */
static inline void lq_request_copy(union lq_request_copy *copy, const struct lq_request *request)
{
	if (request->flags & LQ_REQ_V6)
		memcpy(copy, request, LQ_REQUEST_SIZE_V6);
	else
		memcpy(copy, request, LQ_REQUEST_SIZE_V4);
}
/* The addresses of @key. */
static inline void lq_request_set_addresses(struct lq_request *request, const struct lq_key *key)
{
	if (key->v6)
		memcpy(lq_request_addresses(request), key->addr, 32);
	else
		memcpy(lq_request_addresses(request), key->addr, 8);
}
/*
 * What chooses transmit queue, flow label and one of several paths, for the SYN-ACK and the child
 * alike: net_tx_rndhash(). The sequence number is as good as random, and public anyway.
 */
static inline u32 lq_request_tx_hash(const struct sock *sk, const struct lq_request *request)
{
	u32 hash = request->snt_isn;

	/* tcp_rtx_synack(): another path may be better than one that lost something. */
	if (READ_ONCE(sk->sk_txrehash) == SOCK_TXREHASH_ENABLED)
		hash += request->num_retrans * GOLDEN_RATIO_32;
	return hash | 1; /* 0: none */
}
/* Who @request is from, for tracing. */
void lq_request_key(const struct lq_request *request, struct lq_key *key);

/*
 * Fill the kernel's transient view of @request on the stack, which owns nothing: for the
 * helpers that route and classify; and for those that answer and clone.
 */
void lq_request_view(struct inet_request_sock *ireq, const struct lq_listener *lst,
		     const struct lq_request *request);
void lq_request_view_tcp(struct tcp_request_sock *treq, const struct lq_listener *lst,
			 const struct lq_request *request);

/*
 * A security module may label the packets of a connection with an IP option (NetLabel: CIPSO,
 * CALIPSO), which it leaves in the request: take it out and free it. True: there was one. A SYN-ACK
 * of ours carries none, so such a connection is refused.
 */
bool lq_request_view_unlabel(struct inet_request_sock *ireq);

#endif
