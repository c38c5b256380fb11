/* SPDX-License-Identifier: GPL-2.0 */
/* The address family. */
#ifndef LISTENQ_FAMILY_H
#define LISTENQ_FAMILY_H

struct net;
struct proto_ops;

/*
 * Process context: our operations for TCP's sockets of @version, AF_INET or AF_INET6. NULL without
 * memory, or without IPv6.
 */
const struct proto_ops *lq_family_ops(struct net *net, int version);
int lq_family_init(void);
void lq_family_exit(void);
/* After it: until no task is in a function of ours any more. */
void lq_family_wait(void);

#endif
