/* SPDX-License-Identifier: GPL-2.0 */
/* What ended listeners had counted, for those that add up an address: their group keeps it. */
#ifndef LISTENQ_FORMER_H
#define LISTENQ_FORMER_H

struct lq_counters;
struct lq_listener;

/* Process context: memory for lq_former_pass_locked(). */
struct lq_former {
	struct lq_counters *sums, *own, *heirs;
};
void lq_former_prepare(struct lq_former *former);
void lq_former_done(struct lq_former *former);

/*
 * lq_net.list_lock held, and lst->control; @lst is not listed any more, and has its lst->port: what it
 * and those before it counted becomes the lst->former of a listed one at the same address, if there is
 * any and memory was. Once more: what it counted since.
 */
void lq_former_pass_locked(struct lq_listener *lst, struct lq_former *former);

#endif
