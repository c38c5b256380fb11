// SPDX-License-Identifier: GPL-2.0
/*
 * net.listenq.adopt: whoever calls listen() in a namespace gets a listener of ours.
 *
 * listen() asks the security modules (security_socket_listen()), and finds the socket's operations
 * only then. A kprobe at that question gives a socket of TCP's ours in between. It is there while a
 * namespace wants it, and each listen() of the machine comes by; nothing else does.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <net/sock.h>

#include "adopt.h"
#include "family.h"
#include "watch.h"

static DEFINE_MUTEX(lq_watch_mutex);
static unsigned int lq_watch_users; /* namespaces that want it; lq_watch_mutex */

/* kprobe.pre_handler, as security_socket_listen(sock, backlog) is called. No preemption. */
static int lq_watch_listen(struct kprobe *probe, struct pt_regs *regs)
{
	struct socket *sock = (struct socket *)regs_get_kernel_argument(regs, 0);

	if (sock->sk && READ_ONCE(lq_net(sock_net(sock->sk))->sysctls.adopt))
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
static int lq_watch_set_locked(struct lq_net *lqn, bool on)
{
	int err;

	if (lqn->sysctls.adopt == on)
		return 0;
	if (on && !lq_watch_users) {
		err = lq_watch_begin();
		if (err)
			return err;
	}
	WRITE_ONCE(lqn->sysctls.adopt, on);
	lq_watch_users += on ? 1 : -1;
	if (!lq_watch_users)
		unregister_kprobe(&lq_watch_probe);
	return 0;
}

int lq_watch_set(struct lq_net *lqn, bool on)
{
	int err;

	if (on && !capable(CAP_NET_ADMIN))
		return -EPERM;
	/* Without IPv6 there are no sockets of it. */
	if (on && !lq_family_ops(lqn->net, AF_INET))
		return -ENOMEM;
	if (on)
		lq_family_ops(lqn->net, AF_INET6);
	mutex_lock(&lq_watch_mutex);
	err = lq_watch_set_locked(lqn, on);
	mutex_unlock(&lq_watch_mutex);
	return err;
}

void lq_watch_exit(struct lq_net *lqn)
{
	mutex_lock(&lq_watch_mutex);
	lq_watch_set_locked(lqn, false);
	mutex_unlock(&lq_watch_mutex);
}
