// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family "listenq" itself. netlink.c gives it its commands before it is
 * registered; event.c and request_dump.c send by it.
 */
#include <linux/in6.h>
#include <net/genetlink.h>
#include <net/ipv6.h>

#include "genl.h"

static const struct genl_multicast_group lq_genl_groups[] = {
	[LQ_MCGRP_EVENTS] = { .name = LISTENQ_GENL_MCGRP_EVENTS },
};

struct genl_family lq_genl_family = {
	.name = LISTENQ_GENL_NAME,
	.version = LISTENQ_GENL_VERSION,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.mcgrps = lq_genl_groups,
	.n_mcgrps = ARRAY_SIZE(lq_genl_groups),
};

int lq_put_address(struct sk_buff *msg, int type, const struct sock *sk)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6)
		return nla_put(msg, type, sizeof(struct in6_addr), &sk->sk_v6_rcv_saddr);
#endif
	return nla_put(msg, type, sizeof(__be32), &sk->sk_rcv_saddr);
}
