// SPDX-License-Identifier: GPL-2.0
/* The end of a child that no process will have: the peer gets RST. */
#include <net/inet_common.h>
#include <net/inet_connection_sock.h>

#include "../compat/compat.h"
#include "reset.h"

/* inet_child_forget() of net/ipv4/inet_connection_sock.c: the child is locked. */
void lq_child_forget_locked(struct sock *child)
{
	child->sk_prot->disconnect(child, O_NONBLOCK);
	sock_orphan(child);
	lq_compat_destroy(child);
}

/* As tcp_close(): a process such as ss -K may own the child, segments may come for it. */
void lq_child_reset(struct sock *child)
{
	sock_hold(child);
	/* One of its own class, the listener's, may be held. */
	lock_sock_nested(child, SINGLE_DEPTH_NESTING);
	local_bh_disable();
	bh_lock_sock(child);
	lq_child_forget_locked(child);
	bh_unlock_sock(child);
	local_bh_enable();
	release_sock(child);
	sock_put(child);
}
