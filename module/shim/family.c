// SPDX-License-Identifier: GPL-2.0
/*
 * The address family: socket(AF_LISTENQ, SOCK_STREAM, 0 or 1) makes a kernel
 * TCP sock and gives it our listen side.
 *
 * A socket has our operations as long as it may listen, and the kernel's own from the moment that
 * it is about to connect, by connect() or by sendto(MSG_FASTOPEN): once and for good, before TCP
 * sees the call (leave.c). A socket that has our operations never gets to an upper layer
 * (lq_set_ulp()).
 *
 * References on the module: a socket's, from __sock_create(), goes when its operations change.
 * Whatever may sleep in an operation of ours holds another one, and lq_exit() waits for the last
 * steps out of it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <net/inet_common.h>
#include <net/sock.h>

#include "../compat/compat.h"
#include "accept.h"
#include "family.h"
#include "leave.h"
#include "listen.h"
#include "listener.h"
#include "ops.h"
#include "sockopt.h"

static int family = AF_LISTENQ;
module_param(family, int, 0444);
MODULE_PARM_DESC(family, "number of the address family (default 18, AF_ASH, which nothing uses)");

static DEFINE_MUTEX(lq_ops_mutex);

/* --- the operations --- */

static int lq_release(struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct lq_listener *lst;
	int err;

	if (!sk)
		return 0;
	/* Nobody else has this file any more. */
	lst = lq_listener_owned(sk);
	if (!lst)
		return lq_orig_ops(sk)->release(sock);
	sock_hold(sk);
	lq_listener_stop(sk);
	/* Until it is closed a SYN must still be ours, or TCP would answer it. */
	err = lq_orig_ops(sk)->release(sock);
	lock_sock(sk);
	lq_listener_detach_locked(lst);
	release_sock(sk);
	lq_listener_drop_owner(lst);
	sock_put(sk);
	return err;
}

static int lq_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	int err;

	__module_get(THIS_MODULE);
	/* SHUT_RD and SHUT_RDWR, numbered 0 and 2, end a listener: inet_shutdown(). */
	if ((how == SHUT_RD || how == SHUT_RDWR) && inet_sk_state_load(sk) == TCP_LISTEN)
		lq_listener_stop(sk);
	err = lq_orig_ops(sk)->shutdown(sock, how);
	module_put(THIS_MODULE);
	return err;
}

/*
 * connect(AF_UNSPEC) ends a listener, and leaves the socket as it was made. Any other ends what we
 * have to do with the socket.
 */
static int lq_connect(struct socket *sock, LQ_SOCKADDR *addr, int addr_len, int flags)
{
	struct sock *sk = sock->sk;
	struct lq_left_settings kept;
	int err;

	if (addr_len < (int)sizeof(addr->sa_family))
		return -EINVAL;
	__module_get(THIS_MODULE);
	if (addr->sa_family == AF_UNSPEC) {
		if (inet_sk_state_load(sk) == TCP_LISTEN)
			lq_listener_stop(sk);
		err = lq_orig_ops(sk)->connect(sock, addr, addr_len, flags);
	} else if (lq_leave(sock, &kept)) {
		err = lq_orig_ops(sk)->connect(sock, addr, addr_len, flags);
		if (err)
			lq_come_back(sock, &kept);
	} else {
		err = -EISCONN;
	}
	module_put(THIS_MODULE);
	return err;
}

/* TCP Fast Open's connect() with data; tcp_sendmsg_fastopen()'s own first checks. */
static int lq_fastopen(struct socket *sock, struct msghdr *msg, size_t size)
{
	const struct net *net = sock_net(sock->sk);
	const struct sockaddr *to = msg->msg_name;
	struct lq_left_settings kept;
	int err;

	if (!(READ_ONCE(net->ipv4.sysctl_tcp_fastopen) & TFO_CLIENT_ENABLE) ||
	    (to && msg->msg_namelen >= (int)sizeof(to->sa_family) && to->sa_family == AF_UNSPEC))
		return -EOPNOTSUPP;
	if (!lq_leave(sock, &kept))
		return -EISCONN;
	err = lq_orig_ops(sock->sk)->sendmsg(sock, msg, size);
	if (err < 0)
		lq_come_back(sock, &kept);
	return err;
}

static int lq_sendmsg(struct socket *sock, struct msghdr *msg, size_t size)
{
	int err;

	__module_get(THIS_MODULE);
	if (msg->msg_flags & MSG_FASTOPEN)
		err = lq_fastopen(sock, msg, size);
	else
		err = lq_orig_ops(sock->sk)->sendmsg(sock, msg, size);
	module_put(THIS_MODULE);
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
	set->ops.sendmsg = lq_sendmsg;
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

const struct proto_ops *lq_family_ops(struct net *net, int version)
{
	struct lq_ops *set = &lq_ops_v4;
	const struct proto_ops *orig = &inet_stream_ops;
	struct socket *tcp;

	if (version == AF_INET6) {
		set = &lq_ops_v6;
		orig = smp_load_acquire(&set->orig);
	}
	if (!orig) {
		/* IPv6's are not exported: a socket of the kernel's has them. */
		if (sock_create_kern(net, AF_INET6, SOCK_STREAM, IPPROTO_TCP, &tcp))
			return NULL;
		orig = tcp->ops;
		sock_release(tcp);
	}
	return lq_ops_of(set, orig);
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
	sock->flags |= tcp->flags; /* what the protocol set: SOCK_SUPPORT_ZC */
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
	if (err != -EEXIST)
		return err;
	pr_err("address family %d is taken; load with family=N for a free N (see /proc/net/protocols and net/socket.c)\n",
	       family);
	/* EEXIST is said of a module that is loaded already; some kernels make this of ours, too. */
	return -EBUSY;
}

void lq_family_exit(void)
{
	sock_unregister(family);
}

void lq_family_wait(void)
{
	/* Who gave back the last reference may still be on the way out of our functions. */
	synchronize_rcu_tasks();
	lq_compat_rcu_barrier_tasks();
}
