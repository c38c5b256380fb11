// SPDX-License-Identifier: GPL-2.0
/*
 * setsockopt() and getsockopt(): our own level SOL_LISTENQ, and those of TCP's
 * options that a listenq listener answers differently:
 *
 *	TCP_MD5SIG, TCP_AO_ADD_KEY	EOPNOTSUPP on a listener, and listen() with keys
 *					set: our SYN-ACKs carry no signature
 *	TCP_SAVE_SYN			EOPNOTSUPP: no SYN is kept
 *	TCP_FASTOPEN			accepted; every SYN gets the ordinary handshake,
 *					as from a TCP that has no key yet
 *	TCP_DEFER_ACCEPT, TCP_SYNCNT	TCP's own meaning
 *	IPV6_ADDRFORM			EOPNOTSUPP: it would replace our operations
 */
#include <linux/filter.h>
#include <linux/tcp.h>

#include "listenq.h"

/* --- SOL_LISTENQ --- */

static int lq_set_int(s32 *where, sockptr_t optval, unsigned int optlen, int low, int high)
{
	int value;

	if (optlen < sizeof(value))
		return -EINVAL;
	if (copy_from_sockptr(&value, optval, sizeof(value)))
		return -EFAULT;
	if (value != LQ_FOLLOW && (value < low || value > high))
		return -EINVAL;
	*where = value;
	return 0;
}

static int lq_set_policy(s32 *where, sockptr_t optval, unsigned int optlen)
{
	char name[LISTENQ_POLICY_NAMSIZ];
	int policy;

	if (optlen == 0)
		return -EINVAL;
	optlen = min_t(unsigned int, optlen, sizeof(name));
	if (copy_from_sockptr(name, optval, optlen))
		return -EFAULT;
	/* Nothing but a NUL: follow the sysctl again. */
	if (name[0] == '\0') {
		*where = LQ_FOLLOW;
		return 0;
	}
	policy = lq_core_policy_find(name, strnlen(name, optlen));
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
static int lq_set_syn_backlog(const struct sock *sk, s32 *to, sockptr_t optval, unsigned int optlen)
{
	const struct net *net = sock_net(sk);
	const int err = lq_set_int(to, optval, optlen, 1, LQ_MAX_SYN_BACKLOG);

	if (!err && *to > READ_ONCE(lq_net(net)->sysctls.max_syn_backlog) &&
	    !ns_capable(net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	return err;
}

/* lock_sock held. */
static int lq_set_listenq(struct sock *sk, int optname, sockptr_t optval, unsigned int optlen)
{
	struct lq_overrides before, changed;
	struct lq_listener *lst = lq_listener_of(sk);
	int err;

	changed = lst ? lst->overrides : lq_follow_all;
	switch (optname) {
	case LQ_POLICY:
		err = lq_set_policy(&changed.policy, optval, optlen);
		break;
	case LQ_SYN_BACKLOG:
		err = lq_set_syn_backlog(sk, &changed.max_syn_backlog, optval, optlen);
		break;
	case LQ_ABORT_ON_OVERFLOW:
		err = lq_set_int(&changed.abort_on_overflow, optval, optlen, 0, 1);
		break;
	case LQ_SYNACK_RETRIES:
		err = lq_set_int(&changed.synack_retries, optval, optlen, 0, 255);
		break;
	case LQ_SYNCOOKIES:
		err = lq_set_int(&changed.syncookies, optval, optlen, 0, 2);
		break;
	case LQ_SHARDS:
		err = lq_set_int(&changed.shards, optval, optlen, 0, LQ_MAX_SHARDS);
		if (!err && lst && lst->sharded)
			err = -EBUSY;
		break;
	default:
		return -ENOPROTOOPT;
	}
	if (err)
		return err;
	lst = lq_listener_attach(sk);
	if (IS_ERR(lst))
		return PTR_ERR(lst);
	before = lst->overrides;
	lq_overrides_set(lst, &changed);
	err = lq_listener_reconfigure(lst);
	if (err)
		lq_overrides_set(lst, &before);
	return err;
}

static int lq_get_info(struct sock *sk, void *value)
{
	struct listenq_info *info = value;
	struct lq_listener *lst;

	lock_sock(sk);
	lst = lq_listener_of(sk);
	if (lst) {
		lq_listener_info(lst, info);
		info->id = lst->id;
	}
	release_sock(sk);
	return sizeof(*info);
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
static int lq_get_setting(struct sock *sk, int optname, void *value)
{
	const struct lq_sysctls *sysctls = &lq_net(sock_net(sk))->sysctls;
	struct lq_overrides set = lq_follow_all;
	struct lq_listener *lst;
	int *number = value;

	lock_sock(sk);
	lst = lq_listener_of(sk);
	if (lst)
		set = lst->overrides;
	release_sock(sk);
	switch (optname) {
	case LQ_POLICY:
		strscpy(value, lq_core_policy_name(set.policy == LQ_FOLLOW ? sysctls->policy
									   : set.policy),
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
	default:
		return -ENOPROTOOPT;
	}
	return sizeof(*number);
}

static int lq_get_listenq(struct sock *sk, int optname, char __user *optval, int __user *optlen)
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
		length = lq_get_info(sk, &value);
		break;
	case LQ_ACCEPT_FILTER:
		length = lq_get_filter(sk, &value.filter);
		break;
	default:
		length = lq_get_setting(sk, optname, &value);
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

int lq_setsockopt(struct socket *sock, int level, int optname, sockptr_t optval,
		  unsigned int optlen)
{
	struct sock *sk = sock->sk;
	struct lq_listener *lst;
	int err;

	/* Both see to their locks themselves. */
	if (level == SOL_LISTENQ && optname == LQ_ACCEPT_FILTER)
		return lq_set_filter(sk, optval, optlen);
	if (level == SOL_LISTENQ && optname == LQ_ACCEPT_FILTER_BPF)
		return lq_set_filter_program(sk, optval, optlen);
	if (level == SOL_LISTENQ) {
		lock_sock(sk);
		err = lq_set_listenq(sk, optname, optval, optlen);
		release_sock(sk);
		return err;
	}
	if (lq_refused(sk, level, optname))
		return -EOPNOTSUPP;
	err = lq_orig_ops(sk)->setsockopt(sock, level, optname, optval, optlen);
	if (!err && level == SOL_TCP && (optname == TCP_DEFER_ACCEPT || optname == TCP_SYNCNT)) {
		lock_sock(sk);
		lst = lq_listener_of(sk);
		if (lst)
			err = lq_listener_reconfigure(lst);
		release_sock(sk);
	}
	return err;
}

int lq_getsockopt(struct socket *sock, int level, int optname, char __user *optval,
		  int __user *optlen)
{
	if (level == SOL_LISTENQ)
		return lq_get_listenq(sock->sk, optname, optval, optlen);
	return lq_orig_ops(sock->sk)->getsockopt(sock, level, optname, optval, optlen);
}
