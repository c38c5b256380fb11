/* SPDX-License-Identifier: GPL-2.0 */
/* net.listenq.* */
#ifndef LISTENQ_SYSCTL_H
#define LISTENQ_SYSCTL_H

#include <net/net_namespace.h>

int lq_sysctl_init(struct net *net);
void lq_sysctl_exit(struct net *net);

#endif
