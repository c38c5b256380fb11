/* SPDX-License-Identifier: GPL-2.0 */
/* Sockets of ours that become TCP's: LQ_RELEASE. */
#ifndef LISTENQ_RELEASE_H
#define LISTENQ_RELEASE_H

#include <linux/net.h>

/*
 * Process context, no lock held, somebody has the file of @sock. @on: it goes back to TCP, now or when
 * its queues are empty. Else it stays, if it is not TCP's yet. -ENOPROTOOPT: it is not ours.
 */
int lq_release_set(struct socket *sock, bool on);

#endif
