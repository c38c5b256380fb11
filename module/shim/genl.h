/* SPDX-License-Identifier: GPL-2.0 */
/* The generic netlink family, for those that send: its commands are netlink.c's. */
#ifndef LISTENQ_GENL_H
#define LISTENQ_GENL_H

#include <net/genetlink.h>

#include "../../uapi/linux/listenq.h"

extern struct genl_family lq_genl_family;
enum { LQ_MCGRP_EVENTS };

/* The address that @sk listens at, as attribute @type. -EMSGSIZE. */
int lq_put_address(struct sk_buff *msg, int type, const struct sock *sk);

/* -ENOENT, and the reader is told. */
static inline int lq_no_listener(struct genl_info *info)
{
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[LISTENQ_A_LISTENER_ID],
			    "no listener with this id in this network namespace");
	return -ENOENT;
}

#endif
