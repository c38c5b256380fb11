// SPDX-License-Identifier: GPL-2.0
/*
 * accept() and poll() of a listening socket.
 *
 * The connection comes off our queue; the kernel's own accept() then hands it
 * over, so that memory accounting, security modules and grafting stay the
 * kernel's. It takes the child from the sock's own, otherwise empty, queue of
 * request_socks: a carrier brings it there.
 *
 * Invariants: a child is popped and its carrier queued in one critical
 * section, so a listener that stops finds it in one queue or the other.
 * lq_listener.carrier is free to use while its reference count is 1.
 */
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <net/inet_common.h>

#include "listenq.h"
#include "trace.h"

static struct request_sock *lq_carrier_alloc(struct sock *sk, int references)
{
	const struct request_sock_ops *ops = sk->sk_prot->rsk_prot;
	struct request_sock *carrier = kmem_cache_zalloc(ops->slab, GFP_KERNEL);

	if (!carrier)
		return NULL;
	carrier->rsk_ops = ops;
	refcount_set(&carrier->rsk_refcnt, references);
	return carrier;
}

/* The listener's own carrier if nobody uses it, or a fresh one; NULL without memory. */
static struct request_sock *lq_carrier_get(struct lq_listener *lst)
{
	struct request_sock *own = READ_ONCE(lst->carrier);
	struct request_sock *made;

	if (own) {
		if (atomic_cmpxchg(&own->rsk_refcnt.refs, 1, 2) == 1)
			return own;
		return lq_carrier_alloc(lst->sk, 1);
	}
	made = lq_carrier_alloc(lst->sk, 2);
	/* Of two that make the first one, the loser's is for one use. */
	if (made && cmpxchg(&lst->carrier, NULL, made) != NULL)
		refcount_set(&made->rsk_refcnt, 1);
	return made;
}

/* It was not queued. */
static void lq_carrier_put(struct request_sock *carrier)
{
	reqsk_put(carrier);
}

void lq_carrier_free(struct lq_listener *lst)
{
	if (lst->carrier)
		reqsk_put(lst->carrier);
}

/*
 * Move the oldest child to the kernel's queue. 0, -EAGAIN when there is none,
 * -EINVAL when the listener stopped, -ENOBUFS.
 */
static int lq_accept_move(struct lq_listener *lst)
{
	struct sock *sk = lst->sk;
	struct request_sock_queue *queue = &inet_csk(sk)->icsk_accept_queue;
	struct request_sock *carrier = lq_carrier_get(lst);
	struct lq_request *entry = NULL;
	int err = -EAGAIN;
	u32 now_us;

	if (!carrier)
		return -ENOBUFS;
	spin_lock_bh(&lst->lock);
	now_us = lq_now_us(); /* not before anything that is queued */
	spin_lock(&queue->rskq_lock);
	if (READ_ONCE(sk->sk_state) != TCP_LISTEN)
		err = -EINVAL;
	else
		entry = lq_core_accept(lst->core, now_us);
	if (entry) {
		carrier->sk = entry->child;
		carrier->dl_next = NULL;
		if (!queue->rskq_accept_head)
			WRITE_ONCE(queue->rskq_accept_head, carrier);
		else
			queue->rskq_accept_tail->dl_next = carrier;
		queue->rskq_accept_tail = carrier;
		err = 0;
	}
	spin_unlock(&queue->rskq_lock);
	spin_unlock(&lst->lock);
	if (entry) {
		lq_listener_event(lst, LISTENQ_EVENT_ACCEPTED);
		trace_accept(lst, entry, now_us - entry->stamp_us);
		lq_request_free(entry);
	}
	local_bh_enable();
	if (!entry)
		lq_carrier_put(carrier);
	return err;
}

/* Something for accept(): in our queue, or migrated into the kernel's. */
static bool lq_accept_ready(const struct lq_listener *lst)
{
	return lq_core_accept_qlen(lst->core) ||
	       !reqsk_queue_empty(&inet_csk(lst->sk)->icsk_accept_queue);
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

/* Whether waiting makes sense: @sk listens and nothing is there. */
static bool lq_accept_idle(const struct sock *sk)
{
	const struct lq_listener *lst;
	bool idle;

	rcu_read_lock();
	lst = lq_listener_of(sk);
	idle = lst && !lq_accept_ready(lst) && READ_ONCE(sk->sk_state) == TCP_LISTEN;
	rcu_read_unlock();
	return idle;
}

/* inet_csk_wait_for_connect(), on our queue. 0: look again. */
static int lq_accept_wait(struct sock *sk, long *timeo)
{
	DEFINE_WAIT(wait);
	int err = 0;

	prepare_to_wait_exclusive(sk_sleep(sk), &wait, TASK_INTERRUPTIBLE);
	if (lq_accept_idle(sk)) {
		if (signal_pending(current))
			err = sock_intr_errno(*timeo);
		else if (!*timeo)
			err = -EAGAIN;
		else
			*timeo = schedule_timeout(*timeo);
	}
	finish_wait(sk_sleep(sk), &wait);
	return err;
}

/*
 * The accepted socket is kernel TCP through and through: from here on it has
 * the kernel's own operations and holds no reference on this module.
 */
static void lq_accept_release_ops(struct socket *newsock, const struct proto_ops *orig)
{
	struct module *ours;

	/* kernel_accept() gives the socket operations only afterwards, ours; they serve, too. */
	if (!newsock->ops)
		return;
	ours = newsock->ops->owner;
	__module_get(orig->owner);
	WRITE_ONCE(newsock->ops, orig);
	module_put(ours);
}

/* One look at both queues. -EINVAL when not listening, -EAGAIN when there is nothing. */
static int lq_accept_try(struct socket *sock, struct socket *newsock, LQ_ACCEPT_PARAMS)
{
	/* Not for longer: while accept() waits, connect() may make a connection of the socket. */
	struct lq_listener *lst = lq_listener_get(sock->sk);
	bool ours;
	int err;

	if (!lst)
		return -EINVAL;
	ours = lq_core_accept_qlen(lst->core);
	err = ours ? lq_accept_move(lst) : 0;
	if (!err) {
		err = lq_compat_accept(lq_orig_ops(sock->sk), sock, newsock, LQ_ACCEPT_ARGS);
		if (ours)
			atomic_inc(&lst->accepts_done);
	}
	if (!err)
		LQ_ACCEPT_SET_EMPTY(!lq_accept_ready(lst));
	lq_listener_put(lst);
	return err;
}

int lq_accept(struct socket *sock, struct socket *newsock, LQ_ACCEPT_PARAMS)
{
	struct sock *sk = sock->sk;
	long timeo = sock_rcvtimeo(sk, LQ_ACCEPT_FLAGS & O_NONBLOCK);
	int err;

	if (!timeo && lq_accept_idle(sk))
		return -EAGAIN;
	while ((err = lq_accept_try(sock, newsock, LQ_ACCEPT_ARGS)) == -EAGAIN) {
		err = lq_accept_wait(sk, &timeo);
		if (err)
			return err;
	}
	if (!err)
		lq_accept_release_ops(newsock, lq_orig_ops(sk));
	return err;
}

__poll_t lq_poll(struct file *file, struct socket *sock, struct poll_table_struct *wait)
{
	struct sock *sk = sock->sk;
	__poll_t mask = lq_orig_ops(sk)->poll(file, sock, wait);
	struct lq_listener *lst;

	rcu_read_lock();
	lst = lq_listener_of(sk);
	if (lst && READ_ONCE(sk->sk_state) == TCP_LISTEN && lq_core_accept_qlen(lst->core))
		mask |= EPOLLIN | EPOLLRDNORM;
	rcu_read_unlock();
	return mask;
}
