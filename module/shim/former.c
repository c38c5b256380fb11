// SPDX-License-Identifier: GPL-2.0
/*
 * The counters of an address do not fall as a member of its SO_REUSEPORT group ends: another keeps
 * them, apart from its own, as lst->former, until it ends itself.
 *
 * All is modulo 2^64. Who passed on what it counted has as much less in its own lst->former: should it
 * listen again, its counters go on from where they were, and the sum has them once.
 */
#include <linux/slab.h>

#include "former.h"
#include "listener.h"
#include "net.h"
#include "ports.h"
#include "shard.h"

void lq_former_prepare(struct lq_former *former)
{
	former->sums = kzalloc(sizeof(*former->sums), GFP_KERNEL);
	former->own = kzalloc(sizeof(*former->own), GFP_KERNEL_ACCOUNT);
	former->heirs = kzalloc(sizeof(*former->heirs), GFP_KERNEL_ACCOUNT);
}

void lq_former_done(struct lq_former *former)
{
	kfree(former->sums);
	kfree(former->own);
	kfree(former->heirs);
}

/* lq_net.list_lock held. */
static bool lq_former_is_heir(const struct lq_listener *heir, const struct lq_listener *lst)
{
	return heir != lst && !RB_EMPTY_NODE(&heir->node) &&
	       heir->sk->sk_family == lst->sk->sk_family &&
	       READ_ONCE(heir->sk->sk_bound_dev_if) == READ_ONCE(lst->sk->sk_bound_dev_if);
}

/* lq_net.list_lock held: so it stays. */
static struct lq_listener *lq_former_heir(const struct lq_listener *lst)
{
	struct lq_listener *found = NULL;
	struct rhlist_head *at, *list;
	struct lq_port *port;

	rcu_read_lock();
	list = lq_ports_at_place(&lst->lqn->ports, &lst->port->place);
	rhl_for_each_entry_rcu(port, at, list, by_place) {
		if (lq_former_is_heir(port->lst, lst)) {
			found = port->lst;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

static void lq_former_add_up(const struct lq_listener *lst, struct lq_counters *sums)
{
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		lq_core_counters(shard->core, sums);
		spin_unlock_bh(&shard->lock);
	}
}

/* lst->former, of @spare if it has none yet; or NULL. */
static u64 *lq_former_of(struct lq_listener *lst, struct lq_counters **spare)
{
	if (!lst->former)
		swap(lst->former, *spare);
	return (u64 *)lst->former;
}

void lq_former_pass_locked(struct lq_listener *lst, struct lq_former *former)
{
	struct lq_listener *heir;
	const u64 *counted = (const u64 *)former->sums;
	u64 *own, *heirs;
	size_t i;

	BUILD_BUG_ON(sizeof(struct lq_counters) % sizeof(u64));
	if (!counted || !lst->port)
		return;
	heir = lq_former_heir(lst);
	if (!heir)
		return;
	own = lq_former_of(lst, &former->own);
	heirs = lq_former_of(heir, &former->heirs);
	if (!own || !heirs)
		return;
	WRITE_ONCE(lst->lqn->formers, true);
	lq_former_add_up(lst, former->sums);
	for (i = 0; i < sizeof(struct lq_counters) / sizeof(u64); i++) {
		heirs[i] += counted[i] + own[i];
		own[i] = -counted[i];
	}
}
