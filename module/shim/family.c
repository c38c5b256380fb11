// SPDX-License-Identifier: GPL-2.0
/*
 * The address family: socket(AF_LISTENQ, SOCK_STREAM, 0 or 1) makes a kernel
 * TCP sock and gives it our listen side.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/net.h>
#include <net/inet_common.h>
#include <net/sock.h>

#include "listenq.h"

static int family = AF_LISTENQ;
module_param(family, int, 0444);
MODULE_PARM_DESC(family, "number of the address family (default 18, AF_ASH, which nothing uses)");

/* One per IP version: the kernel's operations, and a copy with our listen side. */
struct lq_ops {
	const struct proto_ops *orig; /* set once, under lq_ops_mutex */
	struct proto_ops ops;
};
static struct lq_ops lq_ops_v4, lq_ops_v6;
static DEFINE_MUTEX(lq_ops_mutex);

const struct proto_ops *lq_orig_ops(const struct sock *sk)
{
	/* sk_family stays: lq_setsockopt() refuses IPV6_ADDRFORM. */
	return sk->sk_family == AF_INET6 ? lq_ops_v6.orig : lq_ops_v4.orig;
}

static int lq_release(struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct lq_listener *lst;
	int err;

	if (!sk)
		return 0;
	/* Nobody else has this file any more. */
	lst = lq_listener_of(sk);
	if (!lst)
		return lq_orig_ops(sk)->release(sock);
	sock_hold(sk);
	lock_sock(sk);
	lq_listener_stop(lst);
	release_sock(sk);
	/* Until it is closed a SYN must still be ours, or TCP would answer it. */
	err = lq_orig_ops(sk)->release(sock);
	lq_listener_detach(lst);
	sock_put(sk);
	return err;
}

/* TCP's listener ends in the operation that follows: nothing may be queued in between. */
static void lq_stop_listening(struct sock *sk)
{
	struct lq_listener *lst;

	lock_sock(sk);
	lst = lq_listener_of(sk);
	if (lst && sk->sk_state == TCP_LISTEN)
		lq_listener_stop(lst);
	release_sock(sk);
}

int lq_listener_end(struct sock *sk, int (*end)(struct sock *sk, int err), int err)
{
	struct lq_net *lqn = lq_net(sock_net(sk));

	mutex_lock(&lqn->listen_mutex);
	lq_stop_listening(sk);
	err = end(sk, err);
	mutex_unlock(&lqn->listen_mutex);
	return err;
}

static int lq_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	struct lq_net *lqn = lq_net(sock_net(sk));
	int err;

	/* SHUT_RD and SHUT_RDWR, numbered 0 and 2, end a listener: inet_shutdown(). */
	if (how != SHUT_RD && how != SHUT_RDWR)
		return lq_orig_ops(sk)->shutdown(sock, how);
	mutex_lock(&lqn->listen_mutex);
	lq_stop_listening(sk);
	err = lq_orig_ops(sk)->shutdown(sock, how);
	mutex_unlock(&lqn->listen_mutex);
	return err;
}

static int lq_disconnect(struct socket *sock, struct sockaddr *addr, int addr_len, int flags)
{
	struct sock *sk = sock->sk;
	struct lq_net *lqn = lq_net(sock_net(sk));
	int err;

	mutex_lock(&lqn->listen_mutex);
	lq_stop_listening(sk);
	err = lq_orig_ops(sk)->connect(sock, addr, addr_len, flags);
	mutex_unlock(&lqn->listen_mutex);
	return err;
}

/*
 * connect(AF_UNSPEC) ends a listener. Any other connect() that succeeds makes
 * an ordinary TCP connection, which needs no listener; one that fails must
 * leave it attached although tcp_v6_connect() rewrites icsk_af_ops.
 */
static int lq_connect(struct socket *sock, struct sockaddr *addr, int addr_len, int flags)
{
	struct sock *sk = sock->sk;
	struct lq_listener *lst;
	bool connected;
	int err;

	if (addr_len >= (int)sizeof(addr->sa_family) && addr->sa_family == AF_UNSPEC)
		return lq_disconnect(sock, addr, addr_len, flags);
	lock_sock(sk);
	lst = lq_listener_of(sk);
	if (lst)
		refcount_inc(&lst->refs);
	release_sock(sk);

	err = lq_orig_ops(sk)->connect(sock, addr, addr_len, flags);
	if (!lst)
		return err;

	lock_sock(sk);
	connected = sk->sk_state != TCP_CLOSE && sk->sk_state != TCP_LISTEN;
	if (!connected && lst->attached)
		smp_store_release(&inet_csk(sk)->icsk_af_ops, &lst->af_ops);
	release_sock(sk);
	if (connected)
		lq_listener_detach(lst);
	lq_listener_put(lst);
	return err;
}

static void lq_ops_fill(struct lq_ops *set, const struct proto_ops *orig)
{
	set->ops = *orig;
	set->ops.owner = THIS_MODULE;
	set->ops.release = lq_release;
	set->ops.connect = lq_connect;
	set->ops.listen = lq_listener_listen;
	set->ops.accept = lq_accept;
	set->ops.poll = lq_poll;
	set->ops.shutdown = lq_shutdown;
	set->ops.setsockopt = lq_setsockopt;
	set->ops.getsockopt = lq_getsockopt;
	/* Published last: lq_create() looks for it without the mutex. */
	smp_store_release(&set->orig, orig);
}

/* Our operations for sockets whose own are @orig. */
static const struct proto_ops *lq_ops_of(struct lq_ops *set, const struct proto_ops *orig)
{
	if (!smp_load_acquire(&set->orig)) {
		mutex_lock(&lq_ops_mutex);
		if (!set->orig)
			lq_ops_fill(set, orig);
		mutex_unlock(&lq_ops_mutex);
	}
	return &set->ops;
}

static int lq_create(struct net *net, struct socket *sock, int protocol, int kern)
{
	const bool v6 = protocol == LISTENQ_PROTO_IPV6;
	struct socket *tcp;
	int err;

	if (sock->type != SOCK_STREAM)
		return -ESOCKTNOSUPPORT;
	if (protocol != LISTENQ_PROTO_IPV4 && protocol != LISTENQ_PROTO_IPV6)
		return -EPROTONOSUPPORT;
	err = __sock_create(net, v6 ? AF_INET6 : AF_INET, SOCK_STREAM, IPPROTO_TCP, &tcp, kern);
	if (err)
		return err;

	/* The sock moves to the caller's socket; the one that it came with goes. */
	sock->ops = lq_ops_of(v6 ? &lq_ops_v6 : &lq_ops_v4, tcp->ops);
	sock->state = SS_UNCONNECTED;
	sock_graft(tcp->sk, sock);
	tcp->sk = NULL;
	sock_release(tcp);
	return 0;
}

static struct net_proto_family lq_family = {
	.create = lq_create,
	.owner = THIS_MODULE,
};

int lq_family_init(void)
{
	int err;

	if (family <= 0 || family >= AF_MAX) {
		pr_err("family=%d is out of range 1..%d\n", family, AF_MAX - 1);
		return -EINVAL;
	}
	lq_family.family = family;
	err = sock_register(&lq_family);
	if (err == -EEXIST)
		pr_err("address family %d is taken; load with family=N for a free N (see /proc/net/protocols and net/socket.c)\n",
		       family);
	return err;
}

void lq_family_exit(void)
{
	sock_unregister(family);
}
