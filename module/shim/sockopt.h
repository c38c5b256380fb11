/* SPDX-License-Identifier: GPL-2.0 */
/* setsockopt() and getsockopt(). */
#ifndef LISTENQ_SOCKOPT_H
#define LISTENQ_SOCKOPT_H

#include <linux/net.h>

int lq_setsockopt(struct socket *sock, int level, int optname, sockptr_t optval,
		  unsigned int optlen);
int lq_getsockopt(struct socket *sock, int level, int optname, char __user *optval,
		  int __user *optlen);

#endif
