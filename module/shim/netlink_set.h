/* SPDX-License-Identifier: GPL-2.0 */
/* LISTENQ_CMD_LISTENER_SET, for netlink.c's table of commands. */
#ifndef LISTENQ_NETLINK_SET_H
#define LISTENQ_NETLINK_SET_H

#include <net/netlink.h>

#include "../../uapi/linux/listenq.h"

struct genl_info;
struct sk_buff;

extern const struct nla_policy lq_listener_set_policy[LISTENQ_A_LISTENER_MAX + 1];
int lq_listener_set_doit(struct sk_buff *skb, struct genl_info *info);

#endif
