/* SPDX-License-Identifier: GPL-2.0 */
/* The address family. */
#ifndef LISTENQ_FAMILY_H
#define LISTENQ_FAMILY_H

struct proto_ops;
struct sock;

/* Process context: our operations for TCP's socket @sk; NULL without memory. */
const struct proto_ops *lq_family_ops(const struct sock *sk);
int lq_family_init(void);
void lq_family_exit(void);
/* After it: until no task is in a function of ours any more. */
void lq_family_wait(void);

#endif
