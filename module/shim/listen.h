/* SPDX-License-Identifier: GPL-2.0 */
/* The life of a listener: attach, listen, stop, detach. */
#ifndef LISTENQ_LISTEN_H
#define LISTENQ_LISTEN_H

#include <linux/net.h>

#include "listener.h"

/*
 * lock_sock held, process context: the listener of @sk, made if there is none.
 * ERR_PTR(-ENOMEM), ERR_PTR(-EISCONN).
 */
struct lq_listener *lq_listener_attach(struct sock *sk);
int lq_listener_listen(struct socket *sock, int backlog); /* proto_ops.listen */
/*
 * lock_sock held, @sk listens and has no listener: it has one from now on. With lq_hooks_get(), whose
 * user is the listener. TCP's ULP is being set, and goes a moment later. -ENOMEM: nothing changed.
 */
int lq_listener_adopt(struct sock *sk);
/* lock_sock not held: empty the queues of @sk's listener, if it has one. TCP's goes on. */
void lq_listener_stop(struct sock *sk);
/* lst->control held: the same. Harmless when not listening. */
void lq_listener_stop_locked(struct lq_listener *lst);
/* lock_sock held: stop, and leave the sock, which is TCP's in every field again. */
void lq_listener_detach_locked(struct lq_listener *lst);
/* lock_sock not held, after detach: the sock's reference on @lst, and on the handlers. */
void lq_listener_drop_owner(struct lq_listener *lst);

#endif
