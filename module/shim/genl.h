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

#endif
