/* SPDX-License-Identifier: GPL-2.0 */
/* /proc/net/listenq */
#ifndef LISTENQ_PROC_H
#define LISTENQ_PROC_H

#include <net/net_namespace.h>

int lq_proc_init(struct net *net);
void lq_proc_exit(struct net *net);

#endif
