// SPDX-License-Identifier: GPL-2.0
/*
 * TCP's sockets become ours: setsockopt(TCP_ULP, "listenq"), before they listen or while they do.
 *
 * What changes is what socket(AF_LISTENQ) and listen() make, and no more: the socket's operations, and,
 * if it listens, a listener of ours. TCP's queues stay as they are: their connections come out of
 * accept() (accept.c), their half-open requests become connections there (lq_syn_recv_sock()), and
 * SYN cookies that TCP sent are TCP's to prove.
 *
 * Other tasks may be in operations of TCP's that they found before. accept(): feed.c. poll(),
 * shutdown(), close() and listen() end as they would, and guard.c tells of a listener's end. connect():
 * it leads to a connected socket with our operations, which kTLS would copy for all sockets of the
 * machine. So wherever one could still come, our ULP is on the socket, and no other gets there: from
 * adoption until listen(), and from the end of TCP's listener. While TCP listens it is not, for a
 * socket with a ULP gets into no sockmap: tcp_set_ulp() puts it there all the same, and a work takes it
 * off (listen.c).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <net/inet_common.h>

#include "../compat/compat.h"
#include "adopt.h"
#include "family.h"
#include "feed.h"
#include "hook.h"
#include "listen.h"
#include "listener.h"
#include "ops.h"

/*
 * lock_sock held, or its spinlock while nobody has it: 0 if @sock can be ours, or the error that
 * uapi/linux/listenq.h has for it.
 */
static int lq_adopt_check(const struct socket *sock, bool listens)
{
	const struct sock *sk = sock->sk;

	if (lq_ops_are_ours(sock) || inet_csk(sk)->icsk_ulp_ops)
		return -EEXIST;
	if (!((1 << sk->sk_state) & (TCPF_CLOSE | TCPF_LISTEN)) || sock->state != SS_UNCONNECTED)
		return -EISCONN;
	if (sock->ops != lq_orig_ops(sk) || lq_compat_has_auth_keys(sk) ||
	    lq_compat_saves_syn(sk))
		return -EOPNOTSUPP;
	if (listens != (sk->sk_state == TCP_LISTEN))
		return -EAGAIN;
	/* What a sockmap keeps ends with the listener, but perhaps not yet. */
	if (!listens && lq_compat_in_sockmap(sk))
		return -EAGAIN;
	return 0;
}

/* The same: @sock has @ops from now on, and what TCP's ULPs take from it. */
static void lq_adopt_ops(struct socket *sock, const struct proto_ops *ops)
{
	struct module *before = sock->ops->owner;

	__module_get(ops->owner);
	/* Another CPU may have filled them, and a third come by them. */
	smp_store_release(&sock->ops, ops);
	module_put(before);
	set_bit(SOCK_SUPPORT_ZC, &sock->flags);
}

/* lock_sock held; with lq_hooks_get() if it @listens. */
static int lq_adopt_locked(struct socket *sock, const struct proto_ops *ops, bool listens)
{
	int err = lq_adopt_check(sock, listens);

	if (!err && listens)
		err = lq_listener_adopt(sock->sk);
	if (err)
		return err;
	lq_adopt_ops(sock, ops);
	if (listens)
		lq_feed_start(lq_listener_owned(sock->sk));
	return 0;
}

/* Whether @sock is a stream socket of TCP's that a program has. */
static bool lq_adopt_is_tcp(const struct socket *sock)
{
	const struct sock *sk = sock->sk;

	return (sk->sk_family == AF_INET || sk->sk_family == AF_INET6) &&
	       sk->sk_type == SOCK_STREAM && sk->sk_protocol == IPPROTO_TCP && sock->file;
}

void lq_adopt_before_listen(struct socket *sock)
{
	const struct lq_ops *set = sock->sk->sk_family == AF_INET6 ? &lq_ops_v6 : &lq_ops_v4;
	struct sock *sk = sock->sk;
	unsigned long flags;

	if (!lq_adopt_is_tcp(sock) || !smp_load_acquire(&set->orig) ||
	    !try_module_get(THIS_MODULE))
		return;
	/* Softirqs take this lock, and are off where interrupts are. */
	local_irq_save(flags);
	if (spin_trylock(&sk->sk_lock.slock)) {
		if (!sk->sk_lock.owned && !lq_adopt_check(sock, false)) {
			lq_adopt_ops(sock, &set->ops);
			lq_ulp_on(sk);
		}
		spin_unlock(&sk->sk_lock.slock);
	}
	local_irq_restore(flags);
	module_put(THIS_MODULE);
}

/*
 * tcp_ulp_ops.init: lock_sock held, and the caller has the socket's file. Whatever is waited for is
 * waited for without the lock.
 */
static int lq_ulp_init(struct sock *sk)
{
	const bool listens = sk->sk_state == TCP_LISTEN;
	struct socket *sock = sk->sk_socket;
	const struct proto_ops *ops;
	int err = 0;

	if (!sock || !lq_adopt_is_tcp(sock))
		return -EOPNOTSUPP;
	release_sock(sk);
	ops = lq_family_ops(sock_net(sk), sk->sk_family);
	if (!ops)
		err = -ENOMEM;
	else if (listens)
		err = lq_hooks_get(lq_net(sock_net(sk)));
	lock_sock(sk);
	if (err)
		return err;
	err = lq_adopt_locked(sock, ops, listens);
	if (err && listens) {
		release_sock(sk);
		lq_hooks_put();
		lock_sock(sk);
	}
	return err;
}

/* The sock's end, and a child's birth: a listener is no ULP's. */
static void lq_ulp_release(struct sock *sk)
{
}

static void lq_ulp_clone(const struct request_sock *req, struct sock *child, const gfp_t priority)
{
	inet_csk(child)->icsk_ulp_ops = NULL;
}

int lq_adopt_init(void)
{
	int err;

	lq_ulp = (struct tcp_ulp_ops) {
		.name = LISTENQ_ULP_NAME,
		.owner = THIS_MODULE,
		.init = lq_ulp_init,
		.release = lq_ulp_release,
		.clone = lq_ulp_clone,
	};
	err = tcp_register_ulp(&lq_ulp);
	if (err)
		pr_err("the TCP upper layer \"%s\" cannot be registered: error %d\n",
		       LISTENQ_ULP_NAME, err);
	return err;
}

void lq_adopt_exit(void)
{
	tcp_unregister_ulp(&lq_ulp);
}
