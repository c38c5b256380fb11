/* SPDX-License-Identifier: GPL-2.0 */
/* accept() and poll() of a listening socket. */
#ifndef LISTENQ_ACCEPT_H
#define LISTENQ_ACCEPT_H

#include <linux/net.h>
#include <linux/poll.h>

#include "../compat/compat.h"
#include "listener.h"

int lq_accept(struct socket *sock, struct socket *newsock, LQ_ACCEPT_PARAMS);
/*
 * Process context: the oldest connection of @lst goes to TCP's own queue, where either accept() finds
 * it. False: there is none, or no memory.
 */
bool lq_accept_bring(struct lq_listener *lst);

__poll_t lq_poll(struct file *file, struct socket *sock, struct poll_table_struct *wait);

#endif
