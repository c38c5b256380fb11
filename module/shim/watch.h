/* SPDX-License-Identifier: GPL-2.0 */
/* net.listenq.adopt, adopt_cgroups: whoever calls listen() there gets a listener of ours. */
#ifndef LISTENQ_WATCH_H
#define LISTENQ_WATCH_H

#include "net.h"

/*
 * Process context: lqn->sysctls.adopt becomes @on. -EPERM: @on, and not an administrator of the
 * machine's, all of which pays; -EOPNOTSUPP: the kernel lets nobody look at listen(); -ENOMEM.
 */
int lq_watch_set(struct lq_net *lqn, bool on);
/*
 * The same of lqn->adopt_cgroups: @text, which is changed, has ids (cgroup_id(): the number of the
 * directory's inode) between blanks, LQ_CGROUPS_MAX at most; none: none. -EINVAL for anything else.
 */
int lq_watch_set_cgroups(struct lq_net *lqn, char *text);
#define LQ_WATCH_TEXT (LQ_CGROUPS_MAX * 21) /* a u64's digits, and a blank */
void lq_watch_get_cgroups(struct lq_net *lqn, char *text, size_t size);
void lq_watch_exit(struct lq_net *lqn); /* The namespace ends; nobody sets it any more. */

#endif
