// SPDX-License-Identifier: GPL-2.0
/*
 * accept() and poll() of a listening socket.
 *
 * The connection comes off our queue, and goes to the new socket by one of two
 * ways. Where memory cgroups count sockets, the kernel's own accept() hands it
 * over, as only that may charge them: it takes the child from the sock's own,
 * otherwise empty, queue of request_socks. We bring it there in a carrier: a request_sock
 * that stands for no handshake and only points at the child.
 * Elsewhere it is done here, without the listener's lock_sock.
 *
 * Whose peer is gone is not handed out, nor whom the core gives up for another reason: under each
 * hold of the lock a few of them leave the queue, and are reset here without it, until there is one
 * to hand out or nobody is left. To say EAGAIN before would be a lie to who waits for the edge.
 *
 * Invariants: a child is popped and its carrier queued in one critical
 * section, so a listener that stops finds it in one queue or the other.
 * lq_listener.carrier is free to use while its reference count is 1.
 */
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <net/inet_common.h>

#include "../compat/compat.h"
#include "accept.h"
#include "clock.h"
#include "cull.h"
#include "filter.h"
#include "guard.h"
#include "listener.h"
#include "ops.h"
#include "request.h"
#include "shard.h"
#include "share.h"
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

/* The carrier that the listener keeps if nobody uses it, or a fresh one; NULL without memory. */
static struct request_sock *lq_carrier_get(struct lq_listener *lst)
{
	struct request_sock *kept = READ_ONCE(lst->carrier);
	struct request_sock *made;

	if (kept) {
		if (atomic_cmpxchg(&kept->rsk_refcnt.refs, 1, 2) == 1)
			return kept;
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
	lq_compat_carrier_put(carrier);
}

/* Whether a child waits: in our queues, or migrated into the kernel's. The sock listens. */
static __always_inline bool lq_accept_ready(const struct lq_listener *lst)
{
	u32 i;

	if (lq_core_accept_qlen(lq_first_shard(lst)->core) ||
	    !reqsk_queue_empty(&inet_csk(lst->sk)->icsk_accept_queue))
		return true;
	for (i = 1; i < lst->shard_count; i++) {
		if (lq_core_accept_qlen(lq_shard_at(lst, i)->core))
			return true;
	}
	return false;
}

/*
 * Take the next child of @shard, with its queue's reference; and put it into the kernel's queue,
 * if there is a @carrier. ERR_PTR: -EAGAIN when there is none, -EINVAL when the listener stopped.
 * Those that went before it are put before *culled, for lq_cull_reset(): if there are some, EAGAIN
 * is to be asked for again. Softirqs are off.
 */
static __always_inline struct sock *lq_accept_pop(struct lq_shard *shard,
						  struct request_sock *carrier,
						  struct lq_request **culled)
{
	struct lq_listener *lst = shard->lst;
	struct sock *sk = lst->sk, *child = ERR_PTR(-EAGAIN);
	struct request_sock_queue *queue = &inet_csk(sk)->icsk_accept_queue;
	struct lq_request *entry = NULL;
	u32 now_us;

	if (!lq_core_accept_qlen(shard->core))
		return child;
	spin_lock(&shard->lock);
	now_us = lq_now_us(); /* not before anything that is queued */
	spin_lock(&queue->rskq_lock);
	if (READ_ONCE(sk->sk_state) != TCP_LISTEN)
		child = ERR_PTR(-EINVAL);
	else if (unlikely(shard->managed))
		entry = lq_cull_next_locked(shard, !carrier, now_us, culled);
	else if (carrier)
		entry = lq_core_accept(shard->core, now_us);
	else
		entry = lq_core_accept_at_once(shard->core, now_us);
	if (entry && unlikely(!lq_is_established(entry->child)) && !shard->managed) {
		lq_core_accept_undo(shard->core, entry, now_us, !carrier);
		entry = lq_cull_next_locked(shard, !carrier, now_us, culled);
	}
	if (entry && carrier) {
		lq_ack_backlog_hand_over_locked(lst);
		carrier->sk = entry->child;
		carrier->dl_next = NULL;
		if (!queue->rskq_accept_head)
			WRITE_ONCE(queue->rskq_accept_head, carrier);
		else
			queue->rskq_accept_tail->dl_next = carrier;
		queue->rskq_accept_tail = carrier;
	} else if (entry) {
		lq_ack_backlog_remove_locked(lst);
	}
	spin_unlock(&queue->rskq_lock);
	spin_unlock(&shard->lock);
	if (entry) {
		child = entry->child;
		lq_listener_event(lst, LISTENQ_EVENT_ACCEPTED);
		trace_accept(lst, entry, now_us - entry->stamp_us);
		lq_request_free(entry);
		/* A carrier keeps the place until it is handed over. */
		if (!carrier && unlikely(READ_ONCE(shard->ready)))
			lq_filter_room(shard);
	}
	return child;
}

/* Of several shards: that of this CPU, or of the others the first that has one. */
static noinline struct sock *lq_accept_pop_shards(struct lq_listener *lst,
						  struct request_sock *carrier,
						  struct lq_shard **from,
						  struct lq_request **culled)
{
	const u32 count = lst->shard_count, home = raw_smp_processor_id() % count;
	struct lq_shard *local = lq_shard_at(lst, home), *shard;
	u32 i, index = lq_core_accept_first(home, READ_ONCE(local->turn), count);
	struct sock *child = ERR_PTR(-EAGAIN);

	for (i = 0; child == ERR_PTR(-EAGAIN) && i < count; i++) {
		shard = lq_shard_at(lst, index);
		child = lq_accept_pop(shard, carrier, culled);
		index = index + 1 == count ? 0 : index + 1;
	}
	if (!IS_ERR(child)) {
		WRITE_ONCE(local->turn, local->turn + 1);
		if (from)
			*from = shard;
	}
	return child;
}

/* As lq_accept_pop(), of whichever shard has a child; *from, unless it is NULL: that shard. */
static __always_inline struct sock *lq_accept_pop_any(struct lq_listener *lst,
						      struct request_sock *carrier,
						      struct lq_shard **from,
						      struct lq_request **culled)
{
	if (unlikely(lst->shard_count > 1))
		return lq_accept_pop_shards(lst, carrier, from, culled);
	if (from)
		*from = lq_first_shard(lst);
	return lq_accept_pop(lq_first_shard(lst), carrier, culled);
}

/* The listener of @sk if that listens, or NULL. RCU, or softirqs off. */
static struct lq_listener *lq_listening(const struct sock *sk)
{
	struct lq_listener *lst = lq_listener_of(sk);

	/* Its shards were there before the sock listened. */
	return lst && inet_sk_state_load(sk) == TCP_LISTEN ? lst : NULL;
}

/* Whether waiting makes sense: @sk listens and nothing is there. */
static bool lq_accept_idle(const struct sock *sk)
{
	const struct lq_listener *lst;
	bool idle;

	rcu_read_lock();
	lst = lq_listening(sk);
	idle = lst && !lq_accept_ready(lst);
	rcu_read_unlock();
	return idle;
}

/* What TCP's own accept() does, under another name: lq_listener_tcp_waiters() tells them apart. */
static int lq_accept_wake(struct wait_queue_entry *wait, unsigned int mode, int sync, void *key)
{
	return autoremove_wake_function(wait, mode, sync, key);
}

/* inet_csk_wait_for_connect(), on our queue: how long may be waited after this, or an error. */
static noinline long lq_accept_wait(struct sock *sk, long timeo)
{
	DEFINE_WAIT_FUNC(wait, lq_accept_wake);

	prepare_to_wait_exclusive(sk_sleep(sk), &wait, TASK_INTERRUPTIBLE);
	if (lq_accept_idle(sk))
		timeo = signal_pending(current) ? sock_intr_errno(timeo) : schedule_timeout(timeo);
	finish_wait(sk_sleep(sk), &wait);
	return timeo;
}

/*
 * The accepted socket is kernel TCP through and through: it has the kernel's own operations before
 * its connection comes, and in the end no reference on this module. Returns the module whose
 * reference is to be given back, which keeps us here meanwhile.
 */
static struct module *lq_accept_leave(struct socket *newsock, const struct proto_ops *orig)
{
	struct module *ours;

	/* kernel_accept() gives the socket operations only afterwards, ours; they serve, too. */
	if (!newsock->ops)
		return NULL;
	ours = newsock->ops->owner;
	__module_get(orig->owner);
	WRITE_ONCE(newsock->ops, orig);
	return ours;
}

/* Whether only the kernel's accept() may hand a connection of @sk over. */
static bool lq_accept_charges(const struct sock *sk)
{
	return mem_cgroup_sockets_enabled || READ_ONCE(sk->sk_prot)->accept != tcp_prot.accept;
}

/* inet_accept() of net/ipv4/af_inet.c, once the child is known. */
static void lq_accept_graft(const struct socket *sock, struct socket *newsock, struct sock *child)
{
	lq_compat_init_csk_locks(child);
	lock_sock(child);
	sock_rps_record_flow(child);
	WARN_ON_ONCE((1 << child->sk_state) & (TCPF_LISTEN | TCPF_SYN_SENT | TCPF_NEW_SYN_RECV));
	if (test_bit(SOCK_SUPPORT_ZC, &sock->flags))
		set_bit(SOCK_SUPPORT_ZC, &newsock->flags);
	sock_graft(child, newsock);
	newsock->state = SS_CONNECTED;
	release_sock(child);
}

/*
 * The kernel's way: what is in its own queue, which migrated or was left there, or else one of
 * ours, which is brought there. Takes the reference on @lst.
 */
static noinline int lq_accept_kernel(struct lq_listener *lst, struct socket *sock,
				     struct socket *newsock, LQ_ACCEPT_PARAMS)
{
	const struct proto_ops *orig = lq_orig_ops(sock->sk);
	struct request_sock *carrier;
	struct lq_request *culled;
	struct lq_shard *from;
	struct sock *child;
	int err = -EAGAIN;

	if (!reqsk_queue_empty(&inet_csk(lst->sk)->icsk_accept_queue))
		err = lq_compat_accept(orig, sock, newsock, LQ_ACCEPT_ARGS);
	/* Another accept() may take the child that this call brought, and leave its own. */
	while (err == -EAGAIN) {
		carrier = lq_carrier_get(lst);
		if (!carrier) {
			err = -ENOBUFS;
			break;
		}
		culled = NULL;
		local_bh_disable();
		child = lq_accept_pop_any(lst, carrier, &from, &culled);
		local_bh_enable();
		if (unlikely(culled))
			err = lq_cull_done(culled, child);
		if (IS_ERR(child)) {
			lq_carrier_put(carrier);
			if (culled && err == -EAGAIN)
				continue;
			err = culled && err ? err : PTR_ERR(child);
			break;
		}
		err = lq_compat_accept(orig, sock, newsock, LQ_ACCEPT_ARGS);
		atomic_inc(&from->accepts_done);
		smp_mb__after_atomic(); /* pairs with lq_filter_ready_locked() */
		if (unlikely(READ_ONCE(from->ready)))
			lq_filter_room(from);
	}
	if (!err)
		LQ_ACCEPT_SET_EMPTY(!lq_accept_ready(lst));
	lq_listener_put(lst);
	return err;
}

/* One look at all queues. -EINVAL when not listening, -EAGAIN when there is nothing. */
static int lq_accept_try(struct socket *sock, struct socket *newsock, LQ_ACCEPT_PARAMS)
{
	struct sock *sk = sock->sk, *child = ERR_PTR(-EAGAIN);
	struct lq_request *culled = NULL;
	struct lq_listener *lst;
	bool charges, kernel;
	int err;

again:
	local_bh_disable(); /* for the shard's lock; the listener stays as under RCU */
	lst = lq_listening(sk);
	/* Once: what comes meanwhile must not go by the other way. */
	charges = lq_accept_charges(sk);
	kernel = lst && (charges ? lq_accept_ready(lst)
				 : !reqsk_queue_empty(&inet_csk(sk)->icsk_accept_queue));
	if (kernel) {
		/*
		 * With a reference, and not for longer: while accept() waits, connect() may make a
		 * connection of the socket.
		 */
		if (!refcount_inc_not_zero(&lst->refs))
			lst = NULL;
		local_bh_enable();
		return lst ? lq_accept_kernel(lst, sock, newsock, LQ_ACCEPT_ARGS) : -EINVAL;
	}
	if (!lst) {
		child = ERR_PTR(-EINVAL);
	} else if (!charges) {
		child = lq_accept_pop_any(lst, NULL, NULL, &culled);
		if (!IS_ERR(child))
			LQ_ACCEPT_SET_EMPTY(!lq_accept_ready(lst));
	}
	local_bh_enable();
	if (unlikely(culled)) {
		err = lq_cull_done(culled, child);
		culled = NULL;
		if (err == -EAGAIN)
			goto again;
		if (err)
			return err;
	}
	if (IS_ERR(child))
		return PTR_ERR(child);
	lq_accept_graft(sock, newsock, child);
	return 0;
}

/*
 * @sock listens, and no listener of ours has it: it went back to TCP while we waited, or TCP's
 * listen() began before it came to us. A task of user space begins its system call anew, by the
 * operations that the socket has now, so that nobody is left in ours.
 */
static int lq_accept_tcp(struct socket *sock, struct socket *newsock, LQ_ACCEPT_PARAMS)
{
	const bool anew = !lq_ops_are_ours(sock) && !(LQ_ACCEPT_FLAGS & O_NONBLOCK) &&
			  !(current->flags & (PF_KTHREAD | PF_IO_WORKER));

	if (!anew)
		return lq_orig_ops(sock->sk)->accept(sock, newsock, LQ_ACCEPT_ARGS);
	set_thread_flag(TIF_NOTIFY_SIGNAL);
	return -ERESTARTSYS;
}

int lq_accept(struct socket *sock, struct socket *newsock, LQ_ACCEPT_PARAMS)
{
	struct sock *sk = sock->sk;
	struct module *ours = lq_accept_leave(newsock, lq_orig_ops(sk));
	long timeo = sock_rcvtimeo(sk, LQ_ACCEPT_FLAGS & O_NONBLOCK);
	int err;

	/* Found between two looks at the socket's operations, as it became ours. */
	if (unlikely(ours != THIS_MODULE)) {
		__module_get(THIS_MODULE);
		module_put(ours);
		ours = THIS_MODULE;
	}

	while ((err = lq_accept_try(sock, newsock, LQ_ACCEPT_ARGS)) == -EAGAIN) {
		if (lq_share_pull(sk))
			continue;
		if (!timeo)
			break;
		timeo = lq_accept_wait(sk, timeo);
		if (timeo < 0) {
			err = timeo;
			break;
		}
	}
	if (unlikely(err == -EINVAL) && inet_sk_state_load(sk) == TCP_LISTEN)
		err = lq_accept_tcp(sock, newsock, LQ_ACCEPT_ARGS);
	module_put(ours);
	return err;
}

/* --- for a listener that was TCP's: feed.c --- */

bool lq_accept_bring(struct lq_listener *lst)
{
	struct request_sock *carrier = lq_carrier_alloc(lst->sk, 1);
	struct lq_request *culled;
	struct lq_shard *from;
	struct sock *child;

	if (!carrier)
		return false;
	do {
		culled = NULL;
		local_bh_disable();
		child = lq_accept_pop_any(lst, carrier, &from, &culled);
		local_bh_enable();
		lq_cull_reset(culled);
	} while (child == ERR_PTR(-EAGAIN) && (culled || lq_share_pull(lst->sk)));
	if (IS_ERR(child)) {
		lq_carrier_put(carrier);
		return false;
	}
	atomic_inc(&from->accepts_done);
	smp_mb__after_atomic(); /* pairs with lq_filter_ready_locked() */
	if (unlikely(READ_ONCE(from->ready)))
		lq_filter_room(from);
	return true;
}

/* Whether accept() of @sk has a connection, as nearly as is cheap. */
static bool lq_accept_some(struct sock *sk)
{
	struct lq_listener *lst;
	bool some;

	rcu_read_lock();
	lst = lq_listening(sk);
	some = lst && lq_accept_ready(lst) &&
	       (!reqsk_queue_empty(&inet_csk(sk)->icsk_accept_queue) || lq_cull_alive(lst));
	rcu_read_unlock();
	return some;
}

__poll_t lq_poll(struct file *file, struct socket *sock, struct poll_table_struct *wait)
{
	struct sock *sk = sock->sk;
	__poll_t mask = lq_orig_ops(sk)->poll(file, sock, wait);

	if (lq_accept_some(sk) || (lq_share_pull(sk) && lq_accept_some(sk)))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask;
}
