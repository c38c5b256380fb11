// SPDX-License-Identifier: GPL-2.0
/*
 * The address family: socket(AF_LISTENQ, SOCK_STREAM, 0 or 1) makes a kernel
 * TCP sock and gives it our listen side.
 *
 * A socket has our operations as long as it may listen, and the kernel's own from the moment that
 * it is about to connect, by connect() or by sendto(MSG_FASTOPEN): once and for good, before TCP
 * sees the call. TCP's upper layers (kTLS, espintcp) copy the operations of a connected socket for
 * all sockets of the machine, and other threads may be on their way into one at any moment, so
 * there is a way back for those alone that fail to connect at once, and that nobody else has open
 * (lq_come_back()). A socket that has our operations never gets to an upper layer (lq_set_ulp()).
 *
 * References on the module: a socket's, from __sock_create(), goes when its operations change;
 * where others have the file, not before every task has left the place between reading sock->ops
 * and entering a function of ours (call_rcu_tasks()). Whatever may sleep in an operation of ours holds another one, and
 * lq_exit() waits for the last steps out of it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fdtable.h>
#include <linux/file.h>
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
	/* Once it has left us, IPV6_ADDRFORM may make it one of IPv4, whose are known. */
	return READ_ONCE(sk->sk_family) == AF_INET6 ? lq_ops_v6.orig : &inet_stream_ops;
}

bool lq_family_has(const struct socket *sock)
{
	const struct proto_ops *ops = READ_ONCE(sock->ops);

	return ops == &lq_ops_v4.ops || ops == &lq_ops_v6.ops;
}

/* --- sockets that leave --- */

static DEFINE_SPINLOCK(lq_left_lock);
static unsigned int lq_left;	   /* references to give back */
static unsigned int lq_left_grace; /* those of the grace period under way */
static struct rcu_head lq_left_rcu;

static void lq_left_put(struct rcu_head *rcu)
{
	unsigned int count;

	spin_lock_bh(&lq_left_lock);
	count = lq_left_grace;
	lq_left_grace = lq_left;
	lq_left = 0;
	if (lq_left_grace)
		call_rcu_tasks(&lq_left_rcu, lq_left_put);
	spin_unlock_bh(&lq_left_lock);
	while (count-- > 0)
		module_put(THIS_MODULE);
}

/*
 * Whether no other task can be in an operation of @sock's: this one has the only table of
 * descriptors with the only one for it, and used that, as fdget() without a reference. io_uring has
 * ways to a file that count nowhere.
 */
static bool lq_is_alone(const struct socket *sock)
{
	const struct files_struct *files = current->files;
	struct file *file = READ_ONCE(sock->file);

	return file && files && !lq_compat_has_io_uring(current) &&
	       atomic_read(&files->count) == 1 && file_count(file) == 1;
}

/* @sock gave up our operations, and its reference on the module. */
static void lq_left_one(const struct socket *sock)
{
	/* Whoever reads them has the file before. */
	smp_mb();
	if (lq_is_alone(sock)) {
		module_put(THIS_MODULE); /* this call has another */
		return;
	}
	spin_lock_bh(&lq_left_lock);
	if (lq_left_grace) {
		lq_left++;
	} else {
		lq_left_grace = 1;
		call_rcu_tasks(&lq_left_rcu, lq_left_put);
	}
	spin_unlock_bh(&lq_left_lock);
}

/* What a socket had, should it come back. */
struct lq_left_settings {
	const struct inet_connection_sock_af_ops *af_ops;
	struct lq_overrides overrides;
	bool any; /* of the overrides */
};

/*
 * @sock is about to connect: it is the kernel's own from here on. False: it listens, and stays.
 * *kept is for lq_come_back().
 */
static bool lq_leave(struct socket *sock, struct lq_left_settings *kept)
{
	struct sock *sk = sock->sk;
	struct lq_listener *lst = NULL;
	bool listens, left = false;

	kept->any = false;
	kept->af_ops = NULL;
	lock_sock(sk);
	listens = sk->sk_state == TCP_LISTEN;
	if (!listens && lq_family_has(sock)) {
		lst = lq_listener_owned(sk);
		if (lst) {
			lq_overrides_get(lst, &kept->overrides);
			kept->any = true;
			lq_listener_detach_locked(lst);
		}
		kept->af_ops = inet_csk(sk)->icsk_af_ops;
		__module_get(lq_orig_ops(sk)->owner);
		WRITE_ONCE(sock->ops, lq_orig_ops(sk));
		left = true;
	}
	release_sock(sk);
	if (lst)
		lq_listener_drop_owner(lst);
	if (left)
		lq_left_one(sock);
	return !listens;
}

/*
 * connect() failed, and nothing came of it: the socket may listen by us again, as TCP's may, if
 * nobody else can be in an operation of the kernel's that would find ours. Whoever looks at them
 * there has the sock's lock, so that they may be taken back under it.
 */
static void lq_come_back(struct socket *sock, const struct lq_left_settings *kept)
{
	struct lq_ops *set = READ_ONCE(sock->sk->sk_family) == AF_INET6 ? &lq_ops_v6 : &lq_ops_v4;
	struct sock *sk = sock->sk;
	struct lq_listener *lst;
	bool back = false, alone;

	if (!kept->af_ops || !lq_is_alone(sock))
		return;
	lock_sock(sk);
	if (sk->sk_state == TCP_CLOSE && sock->state == SS_UNCONNECTED && !lq_family_has(sock) &&
	    !inet_csk(sk)->icsk_ulp_ops && set->orig) {
		__module_get(THIS_MODULE);
		WRITE_ONCE(sock->ops, &set->ops);
		back = true;
		/* Whoever reads the kernel's operations has the file before. */
		smp_mb();
		alone = lq_is_alone(sock);
		/* tcp_v6_connect() leaves those of IPv4 where a mapped address did not answer. */
		if (alone)
			WRITE_ONCE(inet_csk(sk)->icsk_af_ops, kept->af_ops);
		if (alone && kept->any) {
			lst = lq_listener_attach(sk);
			alone = !IS_ERR(lst);
			if (alone)
				lq_overrides_set(lst, &kept->overrides);
		}
		if (!alone)
			WRITE_ONCE(sock->ops, set->orig);
	}
	release_sock(sk);
	if (back && !alone)
		lq_left_one(sock);
}

bool lq_family_leave(struct socket *sock)
{
	struct lq_left_settings kept;

	return lq_leave(sock, &kept);
}

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
	if (err == -EEXIST)
		pr_err("address family %d is taken; load with family=N for a free N (see /proc/net/protocols and net/socket.c)\n",
		       family);
	return err;
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
