// SPDX-License-Identifier: GPL-2.0
/*
 * net.listenq.adopt, adopt_cgroups: whoever calls listen() in a namespace, or in some cgroups of it,
 * gets a listener of ours.
 *
 * listen() asks the security modules (security_socket_listen()), and finds the socket's operations
 * only then. A kprobe at that question gives a socket of TCP's ours in between. It is there while a
 * namespace wants it, and each listen() of the machine comes by; nothing else does.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/cgroup.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "adopt.h"
#include "family.h"
#include "watch.h"

static DEFINE_MUTEX(lq_watch_mutex);
static unsigned int lq_watch_users; /* namespaces that want it; lq_watch_mutex */

#ifdef CONFIG_SOCK_CGROUP_DATA
/* Whether @sk was made in one of the cgroups, or below one. No preemption. */
static bool lq_watch_in_cgroup(const struct lq_cgroups *cgroups, struct sock *sk)
{
	struct cgroup *at;
	u32 i;

	if (!cgroups)
		return false;
	for (at = sock_cgroup_ptr(&sk->sk_cgrp_data); at; at = cgroup_parent(at)) {
		for (i = 0; i < cgroups->count; i++) {
			if (cgroup_id(at) == cgroups->ids[i])
				return true;
		}
	}
	return false;
}
#else
static bool lq_watch_in_cgroup(const struct lq_cgroups *cgroups, struct sock *sk)
{
	return false;
}
#endif

static bool lq_watch_wants(struct sock *sk)
{
	const struct lq_net *lqn = lq_net(sock_net(sk));

	return READ_ONCE(lqn->sysctls.adopt) ||
	       lq_watch_in_cgroup(rcu_dereference_sched(lqn->adopt_cgroups), sk);
}

/* kprobe.pre_handler, as security_socket_listen(sock, backlog) is called. No preemption. */
static int lq_watch_listen(struct kprobe *probe, struct pt_regs *regs)
{
	struct socket *sock = (struct socket *)regs_get_kernel_argument(regs, 0);

	if (sock->sk && lq_watch_wants(sock->sk))
		lq_adopt_before_listen(sock);
	return 0;
}

static struct kprobe lq_watch_probe;

static int lq_watch_begin(void)
{
	int err;

	/* It keeps what it found out the last time. */
	lq_watch_probe = (struct kprobe) {
		.symbol_name = "security_socket_listen",
		.pre_handler = lq_watch_listen,
	};
	err = register_kprobe(&lq_watch_probe);
	if (!err || err == -ENOMEM)
		return err;
	pr_warn("net.listenq.adopt: this kernel has no kprobes, or none at security_socket_listen(): error %d\n",
		err);
	return -EOPNOTSUPP;
}

/* lq_watch_mutex held. */
static struct lq_cgroups *lq_watch_cgroups(const struct lq_net *lqn)
{
	return rcu_dereference_protected(lqn->adopt_cgroups, lockdep_is_held(&lq_watch_mutex));
}

/*
 * lq_watch_mutex held: @on and @cgroups, which is taken, replace what the namespace has. An error:
 * nothing changed.
 */
static int lq_watch_change_locked(struct lq_net *lqn, bool on, struct lq_cgroups *cgroups)
{
	struct lq_cgroups *before = lq_watch_cgroups(lqn);
	const bool watched = lqn->sysctls.adopt || before, watches = on || cgroups;
	int err;

	if (watches && !watched && !lq_watch_users) {
		err = lq_watch_begin();
		if (err)
			return err;
	}
	lq_watch_users += watches - watched;
	WRITE_ONCE(lqn->sysctls.adopt, on);
	rcu_assign_pointer(lqn->adopt_cgroups, cgroups);
	if (watched && !lq_watch_users)
		unregister_kprobe(&lq_watch_probe);
	if (before && before != cgroups)
		kfree_rcu(before, rcu);
	return 0;
}

/* What whoever looks needs: our operations. Without IPv6 there are no sockets of it. */
static int lq_watch_prepare(struct lq_net *lqn)
{
	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	if (!lq_family_ops(lqn->net, AF_INET))
		return -ENOMEM;
	lq_family_ops(lqn->net, AF_INET6);
	return 0;
}

int lq_watch_set(struct lq_net *lqn, bool on)
{
	int err = on ? lq_watch_prepare(lqn) : 0;

	if (err)
		return err;
	mutex_lock(&lq_watch_mutex);
	err = lq_watch_change_locked(lqn, on, lq_watch_cgroups(lqn));
	mutex_unlock(&lq_watch_mutex);
	return err;
}

/* *cgroups: what @text says, or NULL for none. -EINVAL, -ENOMEM. */
static int lq_watch_parse(char *text, struct lq_cgroups **cgroups)
{
	struct lq_cgroups *made = kzalloc(sizeof(*made), GFP_KERNEL_ACCOUNT);
	char *word;

	if (!made)
		return -ENOMEM;
	while ((word = strsep(&text, " \t\n"))) {
		if (!*word)
			continue;
		if (made->count == LQ_CGROUPS_MAX || kstrtou64(word, 10, &made->ids[made->count])) {
			kfree(made);
			return -EINVAL;
		}
		made->count++;
	}
	if (!made->count) {
		kfree(made);
		made = NULL;
	}
	*cgroups = made;
	return 0;
}

int lq_watch_set_cgroups(struct lq_net *lqn, char *text)
{
	struct lq_cgroups *cgroups = NULL;
	int err = lq_watch_parse(text, &cgroups);

	if (!err && cgroups)
		err = lq_watch_prepare(lqn);
	if (!err) {
		mutex_lock(&lq_watch_mutex);
		err = lq_watch_change_locked(lqn, lqn->sysctls.adopt, cgroups);
		mutex_unlock(&lq_watch_mutex);
	}
	if (err)
		kfree(cgroups);
	return err;
}

void lq_watch_get_cgroups(struct lq_net *lqn, char *text, size_t size)
{
	const struct lq_cgroups *cgroups;
	size_t length = 0;
	u32 i;

	*text = '\0';
	mutex_lock(&lq_watch_mutex);
	cgroups = lq_watch_cgroups(lqn);
	for (i = 0; cgroups && i < cgroups->count; i++)
		length += scnprintf(text + length, size - length, "%s%llu", i ? " " : "",
				    cgroups->ids[i]);
	mutex_unlock(&lq_watch_mutex);
}

void lq_watch_exit(struct lq_net *lqn)
{
	mutex_lock(&lq_watch_mutex);
	lq_watch_change_locked(lqn, false, NULL);
	mutex_unlock(&lq_watch_mutex);
}
