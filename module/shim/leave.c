// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets that are about to connect leave us: they have the kernel's own operations from then on.
 *
 * TCP's upper layers (kTLS, espintcp) copy the operations of a connected socket for all sockets of
 * the machine, and other threads may be on their way into one at any moment, so there is a way back
 * for those alone that fail to connect at once, and that nobody else has open (lq_come_back()).
 *
 * The socket's reference on the module goes when its operations change; where others have the file,
 * not before every task has left the place between reading sock->ops and entering a function of
 * ours (call_rcu_tasks()).
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/module.h>

#include "../compat/compat.h"
#include "leave.h"
#include "listen.h"
#include "listener.h"
#include "ops.h"
#include "settings.h"

/* --- references on the module that sockets give back --- */

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

void lq_left_one(const struct socket *sock)
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

/* --- leaving and coming back --- */

bool lq_leave(struct socket *sock, struct lq_left_settings *kept)
{
	struct sock *sk = sock->sk;
	struct lq_listener *lst = NULL;
	bool listens, left = false;

	kept->any = false;
	kept->af_ops = NULL;
	lock_sock(sk);
	listens = sk->sk_state == TCP_LISTEN;
	if (!listens && lq_ops_are_ours(sock)) {
		lst = lq_listener_owned(sk);
		if (lst) {
			lq_overrides_get(lst, &kept->overrides);
			kept->any = true;
			lq_listener_detach_locked(lst);
		}
		kept->af_ops = inet_csk(sk)->icsk_af_ops;
		__module_get(lq_orig_ops(sk)->owner);
		WRITE_ONCE(sock->ops, lq_orig_ops(sk));
		lq_ulp_off(sk);
		left = true;
	}
	release_sock(sk);
	if (lst)
		lq_listener_drop_owner(lst);
	if (left)
		lq_left_one(sock);
	return !listens;
}

/* Upper layers look at a socket's operations under its lock, so they may be changed under it. */
void lq_come_back(struct socket *sock, const struct lq_left_settings *kept)
{
	struct lq_ops *set = READ_ONCE(sock->sk->sk_family) == AF_INET6 ? &lq_ops_v6 : &lq_ops_v4;
	struct sock *sk = sock->sk;
	struct lq_listener *lst;
	bool back = false, alone;

	if (!kept->af_ops || !lq_is_alone(sock))
		return;
	lock_sock(sk);
	if (sk->sk_state == TCP_CLOSE && sock->state == SS_UNCONNECTED && !lq_ops_are_ours(sock) &&
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
