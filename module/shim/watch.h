/* SPDX-License-Identifier: GPL-2.0 */
/* net.listenq.adopt: whoever calls listen() in a namespace gets a listener of ours. */
#ifndef LISTENQ_WATCH_H
#define LISTENQ_WATCH_H

#include "net.h"

/*
 * Process context: lqn->sysctls.adopt becomes @on. -EPERM: @on, and not an administrator of the
 * machine's, all of which pays; -EOPNOTSUPP: the kernel lets nobody look at listen(); -ENOMEM.
 */
int lq_watch_set(struct lq_net *lqn, bool on);
void lq_watch_exit(struct lq_net *lqn); /* The namespace ends; nobody sets it any more. */

#endif
