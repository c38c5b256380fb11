/* SPDX-License-Identifier: GPL-2.0 */
/* The commands of the generic netlink family. */
#ifndef LISTENQ_NETLINK_H
#define LISTENQ_NETLINK_H

int lq_netlink_init(void);
void lq_netlink_exit(void);

#endif
