// SPDX-License-Identifier: GPL-2.0
/*
 * setsockopt() and getsockopt(): our own level SOL_LISTENQ, and those of TCP's
 * options that a listenq listener answers differently:
 *
 *	TCP_MD5SIG, TCP_AO_ADD_KEY	EOPNOTSUPP on a listener, and listen() with keys
 *					set: our SYN-ACKs carry no signature
 *	TCP_SAVE_SYN			EOPNOTSUPP: no SYN is kept
 *	TCP_ULP				ENOTCONN, as kTLS says to who is not connected: a socket
 *					that connects is TCP's before (family.c). Our own: EEXIST
 *	TCP_FASTOPEN			accepted; every SYN gets the ordinary handshake,
 *					as from a TCP that has no key yet
 *	TCP_DEFER_ACCEPT, TCP_SYNCNT	TCP's own meaning
 *	IPV6_ADDRFORM			EOPNOTSUPP: it would replace our operations
 */
#include <linux/filter.h>
#include <linux/module.h>
#include <linux/tcp.h>

#include "../compat/compat.h"
#include "filter_set.h"
#include "leave.h"
#include "listen.h"
#include "listener.h"
#include "net.h"
#include "ops.h"
#include "registry.h"
#include "release.h"
#include "settings.h"
#include "sockopt.h"
#include "tcp_sysctls.h"

/* --- SOL_LISTENQ --- */

static int lq_set_int(s32 *where, s32 value, int low, int high)
{
	if (value != LQ_FOLLOW && (value < low || value > high))
		return -EINVAL;
	*where = value;
	return 0;
}

/* @name: @length bytes, which need not end in NUL. */
static int lq_set_policy(s32 *where, const char *name, size_t length)
{
	int policy;

	/* Nothing but a NUL: follow the sysctl again. */
	if (name[0] == '\0') {
		*where = LQ_FOLLOW;
		return 0;
	}
	policy = lq_core_policy_find(name, strnlen(name, length));
	if (policy < 0)
		return -EINVAL;
	*where = policy;
	return 0;
}

/* The listener of @sk with a reference, or NULL. */
static struct lq_listener *lq_listener_get(const struct sock *sk)
{
	struct lq_listener *lst;

	rcu_read_lock();
	lst = lq_listener_of(sk);
	if (lst && !refcount_inc_not_zero(&lst->refs))
		lst = NULL;
	rcu_read_unlock();
	return lst;
}

/* FreeBSD's accept_filt_setopt(): the order of the errors, too. No lock held. */
static int lq_set_filter(struct sock *sk, sockptr_t optval, unsigned int optlen)
{
	struct listenq_accept_filter_arg arg;
	struct lq_listener *lst;
	int err = 0;

	if (optlen != 0) {
		if (optlen != sizeof(arg))
			return -EINVAL;
		if (copy_from_sockptr(&arg, optval, sizeof(arg)))
			return -EFAULT;
		if (strnlen(arg.name, sizeof(arg.name)) == sizeof(arg.name) || arg.arg[0])
			return -EINVAL;
	}
	lst = lq_listener_get(sk);
	if (!lst)
		return optlen == 0 ? 0 : -EINVAL;
	if (optlen == 0)
		lq_filter_remove(lst);
	else
		err = lq_filter_set_name(lst, arg.name, strlen(arg.name));
	lq_listener_put(lst);
	return err;
}

static int lq_set_filter_program(struct sock *sk, sockptr_t optval, unsigned int optlen)
{
	struct lq_listener *lst;
	struct sock_fprog code;
	int err = copy_bpf_fprog_from_user(&code, optval, optlen);

	if (err)
		return err;
	lst = lq_listener_get(sk);
	if (!lst)
		return -EINVAL;
	err = lq_filter_set_program(lst, &code);
	lq_listener_put(lst);
	return err;
}

/* More memory than the administrator of the namespace allows to each is for administrators. */
static int lq_set_syn_backlog(const struct sock *sk, s32 *to, s32 value)
{
	const struct net *net = sock_net(sk);
	const int err = lq_set_int(to, value, 1, LQ_MAX_SYN_BACKLOG);

	if (!err && value > lq_sysctl(lq_net(net), max_syn_backlog) &&
	    !ns_capable(net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	return err;
}

/* What the caller gave for an option that is a setting. */
union lq_value {
	s32 number;
	char name[LISTENQ_POLICY_NAMSIZ];
};

static int lq_copy_value(int optname, sockptr_t optval, unsigned int optlen, union lq_value *value,
			 size_t *length)
{
	const bool name = optname == LQ_POLICY;

	if (name ? optlen == 0 : optlen < sizeof(value->number))
		return -EINVAL;
	*length = name ? min_t(size_t, optlen, sizeof(value->name)) : sizeof(value->number);
	return copy_from_sockptr(value, optval, *length) ? -EFAULT : 0;
}

/* lock_sock held, @lst may be NULL. */
static int lq_change(const struct sock *sk, const struct lq_listener *lst, int optname,
		     const union lq_value *value, size_t length, struct lq_overrides *changed)
{
	switch (optname) {
	case LQ_POLICY:
		return lq_set_policy(&changed->policy, value->name, length);
	case LQ_SYN_BACKLOG:
		return lq_set_syn_backlog(sk, &changed->max_syn_backlog, value->number);
	case LQ_ABORT_ON_OVERFLOW:
		return lq_set_int(&changed->abort_on_overflow, value->number, 0, 1);
	case LQ_SYNACK_RETRIES:
		return lq_set_int(&changed->synack_retries, value->number, 0, 255);
	case LQ_SYNCOOKIES:
		return lq_set_int(&changed->syncookies, value->number, 0, 2);
#define LQ_X(NAME, name, low, high, initial) \
	case LQ_##NAME: \
		return lq_set_int(&changed->name, value->number, low, high);
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
	case LQ_SHARDS:
		return lq_set_int(&changed->shards, value->number, 0, LQ_MAX_SHARDS) ? :
		       lst && READ_ONCE(lst->sharded) ? -EBUSY : 0;
	}
	return -ENOPROTOOPT;
}

/* lock_sock held; the value was copied before: memory that never comes holds up only its caller. */
static int lq_set_locked(struct socket *sock, int optname, const union lq_value *value,
			 size_t length)
{
	struct sock *sk = sock->sk;
	struct lq_listener *lst = lq_listener_owned(sk);
	struct lq_overrides changed = lq_follow_all;
	int err;

	if (!lq_ops_are_ours(sock))
		return -ENOPROTOOPT; /* connect() was faster */
	/* A value that is refused makes no listener. */
	err = lq_change(sk, lst, optname, value, length, &changed);
	if (err)
		return err;
	lst = lq_listener_attach(sk);
	if (IS_ERR(lst))
		return PTR_ERR(lst);
	mutex_lock(&lst->control);
	lq_overrides_get(lst, &changed);
	err = lq_change(sk, lst, optname, value, length, &changed);
	if (!err)
		lq_overrides_set(lst, &changed);
	mutex_unlock(&lst->control);
	return err;
}

static int lq_set_setting(struct socket *sock, int optname, sockptr_t optval, unsigned int optlen)
{
	union lq_value value;
	size_t length;
	int err;

	err = lq_copy_value(optname, optval, optlen, &value, &length);
	if (err)
		return err;
	lock_sock(sock->sk);
	err = lq_set_locked(sock, optname, &value, length);
	release_sock(sock->sk);
	return err;
}

static int lq_set_release(struct socket *sock, sockptr_t optval, unsigned int optlen)
{
	int on;

	if (optlen < sizeof(on))
		return -EINVAL;
	if (copy_from_sockptr(&on, optval, sizeof(on)))
		return -EFAULT;
	if (on != 0 && on != 1)
		return -EINVAL;
	/* The kernel's own sockets have no file that holds them meanwhile. */
	return sock->file ? lq_release_set(sock, on) : -EOPNOTSUPP;
}

static int lq_set_listenq(struct socket *sock, int optname, sockptr_t optval, unsigned int optlen)
{
	switch (optname) {
	case LQ_POLICY:
	case LQ_SYN_BACKLOG:
	case LQ_ABORT_ON_OVERFLOW:
	case LQ_SYNACK_RETRIES:
	case LQ_SYNCOOKIES:
#define LQ_X(NAME, name, low, high, initial) case LQ_##NAME:
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
	case LQ_SHARDS:
		return lq_set_setting(sock, optname, optval, optlen);
	case LQ_RELEASE:
		return lq_set_release(sock, optval, optlen);
	case LQ_ACCEPT_FILTER:
		return lq_set_filter(sock->sk, optval, optlen);
	case LQ_ACCEPT_FILTER_BPF:
		return lq_set_filter_program(sock->sk, optval, optlen);
	}
	return -ENOPROTOOPT;
}

static int lq_get_info(struct socket *sock, void *value)
{
	struct listenq_info *info = value;
	struct sock *sk = sock->sk;
	struct lq_listener *lst;
	bool ours;

	lock_sock(sk);
	ours = lq_ops_are_ours(sock);
	lst = lq_listener_owned(sk);
	if (lst) {
		lq_listener_info(lst, info);
		info->id = READ_ONCE(lst->id);
	}
	release_sock(sk);
	return ours ? sizeof(*info) : -ENOPROTOOPT; /* a release was faster */
}

static int lq_get_filter(struct sock *sk, struct listenq_accept_filter_arg *arg)
{
	struct lq_listener *lst;
	u8 filter;

	lock_sock(sk);
	lst = lq_listener_of(sk);
	filter = lst ? READ_ONCE(lst->filter) : LQ_FILTER_NONE;
	release_sock(sk);
	if (filter == LQ_FILTER_NONE)
		return -EINVAL;
	strscpy(arg->name, lq_core_filter_name(filter), sizeof(arg->name));
	return sizeof(*arg);
}

/* Returns the length of the value written to @value. */
static int lq_get_setting(struct socket *sock, int optname, void *value)
{
	const struct lq_sysctls *sysctls = &lq_net(sock_net(sock->sk))->sysctls;
	struct sock *sk = sock->sk;
	struct lq_overrides set = lq_follow_all;
	struct lq_listener *lst;
	bool ours, releasing = false;
	int *number = value;

	lock_sock(sk);
	ours = lq_ops_are_ours(sock);
	lst = lq_listener_owned(sk);
	if (lst) {
		lq_overrides_get(lst, &set);
		releasing = READ_ONCE(lst->releasing);
	}
	release_sock(sk);
	if (!ours)
		return -ENOPROTOOPT; /* the same */
	switch (optname) {
	case LQ_POLICY:
		strscpy(value, lq_core_policy_name(set.policy == LQ_FOLLOW
							   ? READ_ONCE(sysctls->policy) : set.policy),
			LISTENQ_POLICY_NAMSIZ);
		return LISTENQ_POLICY_NAMSIZ;
	case LQ_SYN_BACKLOG:
		*number = set.max_syn_backlog;
		break;
	case LQ_ABORT_ON_OVERFLOW:
		*number = set.abort_on_overflow;
		break;
	case LQ_SYNACK_RETRIES:
		*number = set.synack_retries;
		break;
	case LQ_SYNCOOKIES:
		*number = set.syncookies;
		break;
	case LQ_SHARDS:
		*number = set.shards;
		break;
#define LQ_X(NAME, name, low, high, initial) \
	case LQ_##NAME: \
		*number = set.name; \
		break;
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
	case LQ_RELEASE:
		*number = releasing;
		break;
	default:
		return -ENOPROTOOPT;
	}
	return sizeof(*number);
}

static int lq_get_listenq(struct socket *sock, int optname, char __user *optval, int __user *optlen)
{
	union {
		struct listenq_info info;
		char bytes[LISTENQ_POLICY_NAMSIZ];
		struct listenq_accept_filter_arg filter;
	} value = {};
	int room, length;

	if (get_user(room, optlen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	switch (optname) {
	case LQ_INFO:
		length = lq_get_info(sock, &value);
		break;
	case LQ_ACCEPT_FILTER:
		length = lq_get_filter(sock->sk, &value.filter);
		break;
	default:
		length = lq_get_setting(sock, optname, &value);
		break;
	}
	if (length < 0)
		return length;
	length = min(length, room);
	if (put_user(length, optlen) || copy_to_user(optval, &value, length))
		return -EFAULT;
	return 0;
}

/* --- TCP's options --- */

static bool lq_refused(const struct sock *sk, int level, int optname)
{
	if (level == SOL_IPV6)
		return optname == IPV6_ADDRFORM;
	if (level != SOL_TCP)
		return false;
	switch (optname) {
	case TCP_SAVE_SYN:
		return true;
	case TCP_MD5SIG:
	case TCP_MD5SIG_EXT:
#ifdef TCP_AO_ADD_KEY
	case TCP_AO_ADD_KEY:
#endif
		return READ_ONCE(sk->sk_state) == TCP_LISTEN;
	}
	return false;
}

/*
 * As do_tcp_setsockopt(), for the ULPs that there are: all want a connection. One that has ours is
 * of kernel_accept().
 */
static int lq_set_ulp(struct socket *sock, sockptr_t optval, unsigned int optlen)
{
	const struct sock *sk = sock->sk;
	struct lq_left_settings kept;
	char name[TCP_ULP_NAME_MAX];
	long length;

	if (!((1 << inet_sk_state_load(sk)) & (TCPF_CLOSE | TCPF_LISTEN)) && lq_leave(sock, &kept))
		return lq_orig_ops(sk)->setsockopt(sock, SOL_TCP, TCP_ULP, optval, optlen);
	if (optlen < 1)
		return -EINVAL;
	length = strncpy_from_sockptr(name, optval, min_t(long, sizeof(name) - 1, optlen));
	if (length < 0)
		return -EFAULT;
	name[length] = '\0';
	return strcmp(name, LISTENQ_ULP_NAME) ? -ENOTCONN : -EEXIST;
}

static int lq_set_tcp(struct socket *sock, int level, int optname, sockptr_t optval,
		      unsigned int optlen)
{
	struct sock *sk = sock->sk;
	struct lq_listener *lst;
	int err;

	if (level == SOL_TCP && optname == TCP_ULP)
		return lq_set_ulp(sock, optval, optlen);
	if (lq_refused(sk, level, optname))
		return -EOPNOTSUPP;
	err = lq_orig_ops(sk)->setsockopt(sock, level, optname, optval, optlen);
	if (!err && level == SOL_TCP && (optname == TCP_DEFER_ACCEPT || optname == TCP_SYNCNT)) {
		lock_sock(sk);
		lst = lq_listener_owned(sk);
		if (lst)
			lq_listener_apply(lst);
		release_sock(sk);
	}
	return err;
}

int lq_setsockopt(struct socket *sock, int level, int optname, sockptr_t optval,
		  unsigned int optlen)
{
	int err;

	__module_get(THIS_MODULE); /* connect() in another thread may end the socket's reference */
	if (level == SOL_LISTENQ)
		err = lq_set_listenq(sock, optname, optval, optlen);
	else
		err = lq_set_tcp(sock, level, optname, optval, optlen);
	module_put(THIS_MODULE);
	return err;
}

int lq_getsockopt(struct socket *sock, int level, int optname, char __user *optval,
		  int __user *optlen)
{
	int err;

	__module_get(THIS_MODULE);
	if (level == SOL_LISTENQ)
		err = lq_get_listenq(sock, optname, optval, optlen);
	else
		err = lq_orig_ops(sock->sk)->getsockopt(sock, level, optname, optval, optlen);
	module_put(THIS_MODULE);
	return err;
}
