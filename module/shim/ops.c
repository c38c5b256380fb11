// SPDX-License-Identifier: GPL-2.0
/* The two tables of operations, which family.c fills, who has them, and the ULP that leads to them. */
#include <linux/module.h>
#include <net/inet_common.h>

#include "../compat/compat.h"
#include "ops.h"

struct lq_ops lq_ops_v4, lq_ops_v6;

const struct proto_ops *lq_orig_ops(const struct sock *sk)
{
	/* Once it has left us, IPV6_ADDRFORM may make it one of IPv4, whose are known. */
	if (READ_ONCE(sk->sk_family) != AF_INET6)
		return &inet_stream_ops;
	/* Who came here by the socket's operations, which were published later, may have read it before. */
	smp_rmb();
	return READ_ONCE(lq_ops_v6.orig);
}

bool lq_ops_are_ours(const struct socket *sock)
{
	const struct proto_ops *ops = READ_ONCE(sock->ops);

	return ops == &lq_ops_v4.ops || ops == &lq_ops_v6.ops;
}

struct tcp_ulp_ops lq_ulp;

void lq_ulp_on(struct sock *sk)
{
	struct inet_connection_sock *icsk = inet_csk(sk);

	/* A sockmap writes into tables of its own where it finds a ULP. */
	if (icsk->icsk_ulp_ops || lq_compat_in_sockmap(sk))
		return;
	__module_get(THIS_MODULE);
	WRITE_ONCE(icsk->icsk_ulp_ops, &lq_ulp);
}

void lq_ulp_off(struct sock *sk)
{
	if (!lq_ulp_is_on(sk))
		return;
	WRITE_ONCE(inet_csk(sk)->icsk_ulp_ops, NULL);
	module_put(THIS_MODULE);
}
