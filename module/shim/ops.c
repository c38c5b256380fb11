// SPDX-License-Identifier: GPL-2.0
/* The two tables of operations, which family.c fills, and who has them. */
#include <net/inet_common.h>

#include "ops.h"

struct lq_ops lq_ops_v4, lq_ops_v6;

const struct proto_ops *lq_orig_ops(const struct sock *sk)
{
	/* Once it has left us, IPV6_ADDRFORM may make it one of IPv4, whose are known. */
	return READ_ONCE(sk->sk_family) == AF_INET6 ? lq_ops_v6.orig : &inet_stream_ops;
}

bool lq_ops_are_ours(const struct socket *sock)
{
	const struct proto_ops *ops = READ_ONCE(sock->ops);

	return ops == &lq_ops_v4.ops || ops == &lq_ops_v6.ops;
}
