/* SPDX-License-Identifier: GPL-2.0 */
/* LISTENQ_CMD_DROPPED_GET, for netlink.c's table of commands. */
#ifndef LISTENQ_DROPPED_H
#define LISTENQ_DROPPED_H

#include <net/netlink.h>

#include "../../uapi/linux/listenq.h"

struct genl_info;
struct sk_buff;

extern const struct nla_policy lq_dropped_get_policy[LISTENQ_A_DROPPED_MAX + 1];
int lq_dropped_get_doit(struct sk_buff *skb, struct genl_info *info);

#endif
