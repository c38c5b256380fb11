// SPDX-License-Identifier: GPL-2.0
/*
 * The end of a listener that TCP brings about: shutdown(), connect(AF_UNSPEC), an administrator's
 * ss -K, a BPF program's bpf_sock_destroy(), whatever else ends in inet_csk_listen_stop().
 *
 * That function lets go of the requests that rest in the listener's list of TCP Fast Open resets,
 * after the accept queue and before it warns of a sk_ack_backlog that it cannot account for. So
 * while a listener of ours listens a request of ours rests there, and its destructor tells us: the
 * connections on our queues are TCP's count no more, and the queues are to be emptied.
 *
 * Invariants: sk_ack_backlog is what the kernel's own queue holds and, while lst->guarded,
 * lst->ack_backlog beside it. Both change under rskq_lock only.
 *
 * TCP itself puts requests into that list, and takes them, where TCP Fast Open is on and a SYN is
 * left to it (another port's, by a transparent proxy). Ours expires never, so it is not taken.
 */
#include <linux/slab.h>

#include "guard.h"
#include "listener.h"

struct lq_guard {
	struct request_sock req; /* first: TCP frees it by its slab */
	struct lq_listener *lst;
};

static struct kmem_cache *lq_guard_cache;
static struct request_sock_ops lq_guard_ops;

/* The connections on our queues are not TCP's count any more. */
static void lq_guard_unaccount(struct lq_listener *lst)
{
	struct request_sock_queue *queue = &inet_csk(lst->sk)->icsk_accept_queue;

	spin_lock_bh(&queue->rskq_lock);
	if (lst->guarded)
		WRITE_ONCE(lst->sk->sk_ack_backlog, lst->sk->sk_ack_backlog - lst->ack_backlog);
	lst->guarded = false;
	spin_unlock_bh(&queue->rskq_lock);
}

/* lock_sock held, by whoever ends the listener; perhaps no sleeping (a BPF iterator). */
static void lq_guard_destructor(struct request_sock *req)
{
	struct lq_listener *lst = container_of(req, struct lq_guard, req)->lst;

	lst->guard = NULL; /* TCP frees it */
	lq_guard_unaccount(lst);
	lq_listener_ended(lst);
}

int lq_guard_init(void)
{
	lq_guard_cache = kmem_cache_create("listenq_guard", sizeof(struct lq_guard), 0,
					   SLAB_ACCOUNT, NULL);
	if (!lq_guard_cache)
		return -ENOMEM;
	lq_guard_ops.slab = lq_guard_cache;
	lq_guard_ops.obj_size = sizeof(struct lq_guard);
	lq_guard_ops.destructor = lq_guard_destructor;
	return 0;
}

void lq_guard_exit(void)
{
	kmem_cache_destroy(lq_guard_cache);
}

struct lq_guard *lq_guard_alloc(struct lq_listener *lst)
{
	struct lq_guard *guard = kmem_cache_zalloc(lq_guard_cache, GFP_KERNEL);

	if (!guard)
		return NULL;
	guard->req.rsk_ops = &lq_guard_ops;
	guard->req.rsk_timer.expires = jiffies + MAX_JIFFY_OFFSET;
	refcount_set(&guard->req.rsk_refcnt, 1);
	guard->lst = lst;
	return guard;
}

/* It is in no list. */
void lq_guard_free(struct lq_guard *guard)
{
	if (guard)
		kmem_cache_free(lq_guard_cache, guard);
}

void lq_guard_place(struct lq_listener *lst, struct lq_guard *guard)
{
	struct request_sock_queue *queue = &inet_csk(lst->sk)->icsk_accept_queue;
	struct fastopen_queue *list = &queue->fastopenq;

	spin_lock_bh(&list->lock);
	if (list->rskq_rst_head)
		list->rskq_rst_tail->dl_next = &guard->req;
	else
		list->rskq_rst_head = &guard->req;
	list->rskq_rst_tail = &guard->req;
	spin_unlock_bh(&list->lock);
	lst->guard = guard;

	spin_lock_bh(&queue->rskq_lock);
	lst->guarded = true;
	WRITE_ONCE(lst->sk->sk_ack_backlog, lst->sk->sk_ack_backlog + lst->ack_backlog);
	spin_unlock_bh(&queue->rskq_lock);
}

void lq_guard_remove(struct lq_listener *lst)
{
	struct fastopen_queue *list = &inet_csk(lst->sk)->icsk_accept_queue.fastopenq;
	struct request_sock *before = NULL, *at;

	if (!lst->guard)
		return;
	spin_lock_bh(&list->lock);
	for (at = list->rskq_rst_head; at && at != &lst->guard->req; at = at->dl_next)
		before = at;
	if (!WARN_ON_ONCE(!at)) {
		if (before)
			before->dl_next = at->dl_next;
		else
			list->rskq_rst_head = at->dl_next;
		if (list->rskq_rst_tail == at)
			list->rskq_rst_tail = before;
	}
	spin_unlock_bh(&list->lock);
	lq_guard_free(lst->guard);
	lst->guard = NULL;
	lq_guard_unaccount(lst);
}

void lq_ack_backlog_add(struct lq_listener *lst)
{
	struct request_sock_queue *queue = &inet_csk(lst->sk)->icsk_accept_queue;

	spin_lock(&queue->rskq_lock);
	lst->ack_backlog++;
	if (likely(lst->guarded))
		sk_acceptq_added(lst->sk);
	spin_unlock(&queue->rskq_lock);
}

void lq_ack_backlog_remove_locked(struct lq_listener *lst)
{
	lst->ack_backlog--;
	if (likely(lst->guarded))
		sk_acceptq_removed(lst->sk);
}

void lq_ack_backlog_hand_over_locked(struct lq_listener *lst)
{
	lst->ack_backlog--;
	if (unlikely(!lst->guarded))
		sk_acceptq_added(lst->sk);
}
