/* SPDX-License-Identifier: GPL-2.0 */
/* Tasks that wait in TCP's own accept() on a listener that is ours now. */
#ifndef LISTENQ_FEED_H
#define LISTENQ_FEED_H

#include "listener.h"

/* lock_sock held: @lst was TCP's, and segments find it. */
void lq_feed_start(struct lq_listener *lst);

#endif
