/* SPDX-License-Identifier: GPL-2.0 */
/* TCP's sockets become ours: setsockopt(TCP_ULP, "listenq"). */
#ifndef LISTENQ_ADOPT_H
#define LISTENQ_ADOPT_H

struct socket;

/*
 * listen() begins, and @sock is a socket: TCP's becomes ours if that can be, and if nobody has its
 * lock. Any context but interrupts; lq_family_ops() were asked for before.
 */
void lq_adopt_before_listen(struct socket *sock);
int lq_adopt_init(void);
void lq_adopt_exit(void);

#endif
