/* SPDX-License-Identifier: GPL-2.0 */
/* Sockets that leave us, because they are about to connect, and those that come back. */
#ifndef LISTENQ_LEAVE_H
#define LISTENQ_LEAVE_H

#include <linux/net.h>

#include "listener.h"

/* What a socket had, should it come back. */
struct lq_left_settings {
	const struct inet_connection_sock_af_ops *af_ops;
	struct lq_overrides overrides;
	bool any; /* of the overrides */
};

/*
 * @sock is about to connect: it is the kernel's own from here on. False: it listens, and stays.
 * *kept is for lq_come_back(). Process context, no lock held.
 */
bool lq_leave(struct socket *sock, struct lq_left_settings *kept);
/* Process context, no lock held: @sock gave up our operations, and its reference on the module. */
void lq_left_one(const struct socket *sock);
/*
 * connect() failed, and nothing came of it: the socket may listen by us again, as TCP's may, if
 * nobody else can be in an operation of the kernel's that would find ours.
 */
void lq_come_back(struct socket *sock, const struct lq_left_settings *kept);

#endif
