/* SPDX-License-Identifier: GPL-2.0 */
/* LISTENQ_CMD_REQUEST_GET, for netlink.c's table of commands. */
#ifndef LISTENQ_REQUEST_DUMP_H
#define LISTENQ_REQUEST_DUMP_H

#include <net/netlink.h>

#include "../bridge/core.h"

struct netlink_callback;

extern const struct nla_policy lq_request_get_policy[LISTENQ_A_REQUEST_MAX + 1];
int lq_request_get_start(struct netlink_callback *cb);
int lq_request_get_dumpit(struct sk_buff *msg, struct netlink_callback *cb);
int lq_request_get_done(struct netlink_callback *cb);

#endif
