// SPDX-License-Identifier: GPL-2.0
/*
 * The listeners of a network namespace: a tree by id, for those that look at them all.
 *
 * Locking: lqn->list_lock, process context.
 */
#include <linux/sched/signal.h>

#include "listenq.h"

struct lq_listener *lq_net_first(const struct lq_net *lqn, u64 id)
{
	struct rb_node *node = lqn->listeners.rb_node;
	struct lq_listener *found = NULL;

	while (node) {
		struct lq_listener *lst = rb_entry(node, struct lq_listener, node);

		if (lst->id >= id) {
			found = lst;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

struct lq_listener *lq_net_find(const struct lq_net *lqn, u64 id)
{
	struct lq_listener *lst = lq_net_first(lqn, id);

	return lst && lst->id == id ? lst : NULL;
}

struct lq_listener *lq_net_after(const struct lq_listener *lst)
{
	return rb_entry_safe(rb_next(&lst->node), struct lq_listener, node);
}

static bool lq_id_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct lq_listener, node)->id <
	       rb_entry(b, struct lq_listener, node)->id;
}

void lq_net_list(struct lq_listener *lst)
{
	struct lq_net *lqn = lst->lqn;

	spin_lock(&lqn->list_lock);
	/* Under the lock, so that a dump meets the newest last. */
	WRITE_ONCE(lst->id, ++lqn->last_id);
	rb_add(&lst->node, &lqn->listeners, lq_id_less);
	lqn->listener_count++;
	lqn->generation++;
	spin_unlock(&lqn->list_lock);
}

void lq_net_unlist(struct lq_listener *lst)
{
	struct lq_net *lqn = lst->lqn;

	spin_lock(&lqn->list_lock);
	rb_erase(&lst->node, &lqn->listeners);
	lqn->listener_count--;
	lqn->generation++;
	spin_unlock(&lqn->list_lock);
}

bool lq_listener_hold(struct lq_listener *lst)
{
	/* The listener goes after its sock: whoever has the sock has both. */
	if (!lst || !refcount_inc_not_zero(&lst->sk->sk_refcnt))
		return false;
	refcount_inc(&lst->refs);
	return true;
}

void lq_listener_release(struct lq_listener *lst)
{
	struct sock *sk = lst->sk;

	lq_listener_put(lst);
	sock_put(sk);
}

/* The first listener after @id that lives, held, or NULL. */
static struct lq_listener *lq_net_next(struct lq_net *lqn, u64 id)
{
	struct lq_listener *lst;

	spin_lock(&lqn->list_lock);
	for (lst = lq_net_first(lqn, id + 1); lst; lst = lq_net_after(lst)) {
		if (lq_listener_hold(lst))
			break;
	}
	spin_unlock(&lqn->list_lock);
	return lst;
}

void lq_net_reconfigure(struct lq_net *lqn)
{
	struct lq_listener *lst;
	u64 id = 0;

	atomic_inc_return_release(&lqn->settings);
	/*
	 * Segments would find the change by themselves; this is for those who look, with ss for one.
	 * It waits for nobody.
	 */
	while (!fatal_signal_pending(current) && (lst = lq_net_next(lqn, id))) {
		id = lst->id;
		lq_listener_refresh(lst);
		lq_listener_release(lst);
		cond_resched();
	}
}
