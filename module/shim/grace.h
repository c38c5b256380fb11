/* SPDX-License-Identifier: GPL-2.0 */
/* The life of a parking place: net.listenq.grace_ms. Process context. */
#ifndef LISTENQ_GRACE_H
#define LISTENQ_GRACE_H

#include "listener.h"

/*
 * lst->control held, @lst served and is found still: whether what it has may be parked as it ends.
 * lq_grace_filled() follows, once it has closed.
 */
bool lq_grace_begin(struct lq_listener *lst);
void lq_grace_filled(struct lq_listener *lst);
/* lst->control held, @lst serves from now on: it takes over what is parked in its place. */
void lq_grace_take_over(struct lq_listener *lst);
/* No socket of ours is left: what is parked ends. */
void lq_grace_exit(void);

#endif
