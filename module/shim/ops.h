/* SPDX-License-Identifier: GPL-2.0 */
/* Whose operations a socket has: ours, or the kernel's. */
#ifndef LISTENQ_OPS_H
#define LISTENQ_OPS_H

#include <linux/net.h>
#include <net/sock.h>

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

#endif
