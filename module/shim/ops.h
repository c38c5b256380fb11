/* SPDX-License-Identifier: GPL-2.0 */
/* Whose operations a socket has: ours, or the kernel's. */
#ifndef LISTENQ_OPS_H
#define LISTENQ_OPS_H

#include <linux/net.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

/* One for each IP version. */
struct lq_ops {
	const struct proto_ops *orig; /* the kernel's; set once, by family.c */
	struct proto_ops ops;	      /* a copy with our listen side */
};
extern struct lq_ops lq_ops_v4, lq_ops_v6;

/* lock_sock held: whether @sock still has our operations, and may listen by us. */
bool lq_ops_are_ours(const struct socket *sock);
/* The kernel's own operations of an AF_INET or AF_INET6 stream socket. */
const struct proto_ops *lq_orig_ops(const struct sock *sk);

/*
 * The ULP by which a TCP socket becomes ours: adopt.c fills it. It stays on a socket of ours that
 * others may still connect by TCP's operations, which they found before: there no other upper layer
 * gets to copy ours.
 */
extern struct tcp_ulp_ops lq_ulp;
/* lock_sock held, or its spinlock while nobody has it. Each is harmless where it is so already. */
void lq_ulp_on(struct sock *sk);
void lq_ulp_off(struct sock *sk);
static inline bool lq_ulp_is_on(const struct sock *sk)
{
	return inet_csk(sk)->icsk_ulp_ops == &lq_ulp;
}

#endif
