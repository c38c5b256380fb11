/* SPDX-License-Identifier: GPL-2.0 */
/* The handlers before TCP's: in the kernel's tables while anybody listens. */
#ifndef LISTENQ_HOOK_H
#define LISTENQ_HOOK_H

#include "net.h"

int lq_hooks_get(struct lq_net *lqn); /* Process context, no lock. -ENOMEM. */
bool lq_hooks_hold(void); /* Any context: one user more, where there are some; false: there is none. */
void lq_hooks_put(void);

#endif
