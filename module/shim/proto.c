// SPDX-License-Identifier: GPL-2.0
/*
 * The way out of LISTEN that goes by no operation of ours: an administrator
 * destroys the socket (ss -K; tcp_abort(), with CONFIG_INET_DIAG_DESTROY).
 *
 * While a listener is attached, its sock has a copy of TCP's struct proto with
 * our diag_destroy, so that the queues are empty when TCP ends the listener:
 * TCP warns of a sk_ack_backlog that it cannot account for.
 *
 * Invariants: nothing but an attached sock has our copies: neither children,
 * nor TCP's own requests, nor what BPF keeps of a sock in a sockmap.
 */
#include <linux/bpf.h>
#include <linux/module.h>
#include <linux/skmsg.h>

#include "listenq.h"

/* One per IP version. */
struct lq_proto {
	struct proto *orig; /* set once, under lq_proto_mutex */
	struct proto proto;
};
static struct lq_proto lq_proto_v4, lq_proto_v6;
static DEFINE_MUTEX(lq_proto_mutex);

/* Which of ours @proto is, or NULL. A sock of IPv6 may have children and requests of IPv4. */
static struct lq_proto *lq_proto_of(const struct proto *proto)
{
	if (proto == &lq_proto_v4.proto)
		return &lq_proto_v4;
	return proto == &lq_proto_v6.proto ? &lq_proto_v6 : NULL;
}

static int lq_diag_destroy(struct sock *sk, int err)
{
	/* The caller has the sock, not its file: that may be closed meanwhile, and we unloaded. */
	if (!sk_fullsock(sk) || !try_module_get(THIS_MODULE))
		return tcp_abort(sk, err);
	/* Programs may hold a spinlock. */
	if (has_current_bpf_ctx())
		err = -EOPNOTSUPP;
	else
		err = lq_listener_end(sk, tcp_abort, err);
	module_put(THIS_MODULE);
	return err;
}

#ifdef CONFIG_BPF_SYSCALL
/* BPF makes a copy of its own, and of what @psock says was there: only TCP's may be. */
static int lq_psock_update(struct sock *sk, struct sk_psock *psock, bool restore)
{
	struct lq_proto *set = lq_proto_of(psock->sk_proto);

	/* Only we are called for ours; afterwards BPF calls TCP's. */
	psock->sk_proto = set->orig;
	psock->psock_update_sk_prot = set->orig->psock_update_sk_prot;
	return set->orig->psock_update_sk_prot(sk, psock, restore);
}
#endif

static void lq_proto_fill(struct lq_proto *set, struct proto *orig)
{
	set->proto = *orig;
	if (orig->diag_destroy == tcp_abort)
		set->proto.diag_destroy = lq_diag_destroy;
#ifdef CONFIG_BPF_SYSCALL
	if (orig->psock_update_sk_prot)
		set->proto.psock_update_sk_prot = lq_psock_update;
#endif
	/* Published last: readers have no mutex. */
	smp_store_release(&set->orig, orig);
}

void lq_proto_take(struct sock *sk)
{
	struct lq_proto *set = sk->sk_family == AF_INET6 ? &lq_proto_v6 : &lq_proto_v4;

	if (!smp_load_acquire(&set->orig)) {
		mutex_lock(&lq_proto_mutex);
		if (!set->orig)
			lq_proto_fill(set, sk->sk_prot);
		mutex_unlock(&lq_proto_mutex);
	}
	if (sk->sk_prot == set->orig)
		WRITE_ONCE(sk->sk_prot, &set->proto);
}

void lq_proto_give_back(struct sock *sk)
{
	const struct lq_proto *set = lq_proto_of(READ_ONCE(sk->sk_prot));

	if (set)
		WRITE_ONCE(sk->sk_prot, set->orig);
}

void lq_proto_give_back_child(struct sock *child)
{
	const struct lq_proto *set = lq_proto_of(child->sk_prot_creator);

	lq_proto_give_back(child);
	if (set)
		child->sk_prot_creator = set->orig;
}
