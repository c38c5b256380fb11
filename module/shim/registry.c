// SPDX-License-Identifier: GPL-2.0
/*
 * The listeners of a network namespace: a tree by id, for those that look at them all; and what
 * the shards of a listener say, added up.
 *
 * Locking: lqn->list_lock for the tree; each shard's own in turn. Process context.
 */
#include <linux/sched/signal.h>

#include "clock.h"
#include "cull.h"
#include "former.h"
#include "listener.h"
#include "net.h"
#include "registry.h"
#include "settings.h"
#include "shard.h"

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

void lq_net_unlist(struct lq_listener *lst, bool others)
{
	struct lq_net *lqn = lst->lqn;
	struct lq_former former = {};

	if (others)
		lq_former_prepare(&former);
	spin_lock(&lqn->list_lock);
	rb_erase(&lst->node, &lqn->listeners);
	RB_CLEAR_NODE(&lst->node);
	lqn->listener_count--;
	lqn->generation++;
	/* With the same turn of the lock: whoever adds up an address has it once. */
	lq_former_pass_locked(lst, &former);
	spin_unlock(&lqn->list_lock);
	lq_former_done(&former);
}

void lq_net_unlisted(struct lq_listener *lst)
{
	struct lq_former former;

	lq_former_prepare(&former);
	spin_lock(&lst->lqn->list_lock);
	lq_former_pass_locked(lst, &former);
	spin_unlock(&lst->lqn->list_lock);
	lq_former_done(&former);
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

/* --- what a listener says of itself --- */

void lq_listener_state(struct lq_listener *lst, struct lq_listener_state *state)
{
	struct listenq_info one = {};
	struct lq_shard *shard;
	u32 i;

	lq_listener_refresh(lst);
	memset(state, 0, sizeof(*state));
	lq_for_each_shard(lst, shard, i) {
		struct listenq_info *to = i == 0 ? &state->info : &one;

		spin_lock_bh(&shard->lock);
		lq_core_info(shard->core, to);
		to->accept_gone = lq_cull_gone_locked(shard);
		to->overflow_ago_s = lq_core_overflow_ago_s(shard->core, lq_now_s());
		lq_core_counters(shard->core, &state->counters);
		state->accept_oldest_us =
			max(state->accept_oldest_us,
			    lq_core_accept_oldest_us(shard->core, lq_now_us()));
		spin_unlock_bh(&shard->lock);
		if (i > 0)
			lq_core_info_add(&state->info, &one);
	}
}

void lq_listener_info(struct lq_listener *lst, struct listenq_info *info)
{
	struct listenq_info one = {};
	struct lq_shard *shard;
	u32 i;

	lq_listener_refresh(lst);
	memset(info, 0, sizeof(*info));
	lq_for_each_shard(lst, shard, i) {
		struct listenq_info *to = i == 0 ? info : &one;

		spin_lock_bh(&shard->lock);
		lq_core_info(shard->core, to);
		to->accept_gone = lq_cull_gone_locked(shard);
		to->overflow_ago_s = lq_core_overflow_ago_s(shard->core, lq_now_s());
		spin_unlock_bh(&shard->lock);
		if (i > 0)
			lq_core_info_add(info, &one);
	}
}
