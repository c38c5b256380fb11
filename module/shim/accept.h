/* SPDX-License-Identifier: GPL-2.0 */
/* accept() and poll() of a listening socket. */
#ifndef LISTENQ_ACCEPT_H
#define LISTENQ_ACCEPT_H

#include <linux/net.h>
#include <linux/poll.h>

#include "../compat/compat.h"

int lq_accept(struct socket *sock, struct socket *newsock, LQ_ACCEPT_PARAMS);
__poll_t lq_poll(struct file *file, struct socket *sock, struct poll_table_struct *wait);

#endif
