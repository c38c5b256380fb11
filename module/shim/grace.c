// SPDX-License-Identifier: GPL-2.0
/*
 * Grace: a listener ends, nobody else serves its place, and net.listenq.grace_ms is set. What it had is
 * parked (park.c) until its owner listens there again, or until the deadline.
 *
 *	stop: lq_grace_begin(): a parking place is found by segments, before the listener is not
 *	  |   heir.c: requests and connections that no heir takes are parked
 *	  v   lq_grace_filled(): the deadline counts from here
 *	claimed, by the first of these, and by nobody else:
 *	  a listener of its owner serves the place --> handed over; what it has no room for is reset
 *	  a listener of another owner does, the deadline, the end of the module --> all is reset
 *	  v
 *	forgotten: segments do not find the place any more; listener, sock and namespace are let go
 *
 * While it is handed over ACKs for it wait, as for a listener that ends: heir.c.
 *
 * Locking: lq_net.parked_lock for who claims; then the place is the claimer's. No lock is held while
 * a child's is waited for but those that heir.c's callers hold, too. Nobody holds the module for what
 * is parked: it ends with it, and so children of a namespace that has ended.
 */
#include <linux/slab.h>

#include "../compat/compat.h"
#include "drop.h"
#include "grace.h"
#include "heir.h"
#include "hook.h"
#include "listener.h"
#include "lookup.h"
#include "net.h"
#include "park.h"
#include "ports.h"
#include "request.h"
#include "reset.h"
#include "settings.h"
#include "shard.h"
#include "synack.h"
#include "table.h"

static DEFINE_SPINLOCK(lq_parked_all_lock);
static LIST_HEAD(lq_parked_all); /* lq_parked_all_lock; of all namespaces: what is filled */

/* --- who takes over --- */

/* Whether a listener of the family of @sk serves all that @parked's did at an address. */
static bool lq_grace_covers(const struct lq_parked *parked, const struct sock *sk)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6)
		return parked->v6only || !ipv6_only_sock(sk);
#endif
	return !parked->v6;
}

/* At so many listeners of a place it looks. */
#define LQ_GRACE_LOOKS 64

static struct lq_listener *lq_grace_successor_in(const struct lq_parked *parked,
						 struct rhlist_head *list)
{
	struct rhlist_head *at;
	struct lq_port *port;
	u32 looks = 0;

	rhl_for_each_entry_rcu(port, at, list, by_place) {
		const struct sock *sk = port->lst->sk;

		if (looks++ == LQ_GRACE_LOOKS)
			break;
		if (port != parked->port && lq_heir_serves(port->lst) &&
		    uid_eq(parked->uid, sk->sk_uid) &&
		    parked->ifindex == READ_ONCE(sk->sk_bound_dev_if) &&
		    lq_grace_covers(parked, sk))
			return port->lst;
	}
	return NULL;
}

/* RCU: who serves all that the listener of @parked did, and is its owner's; or NULL. */
static struct lq_listener *lq_grace_successor(const struct lq_parked *parked)
{
	struct lq_ports *ports = &parked->lst->lqn->ports;
	const struct lq_place *place = &parked->port->place;
	struct lq_listener *lst =
		lq_grace_successor_in(parked, lq_ports_at_place(ports, place));

	if (lst)
		return lst;
	return lq_grace_successor_in(parked, lq_ports_any(ports, (__force __be16)place->port));
}

/* --- the end of a place --- */

/* Softirqs off, RCU: some requests go to @heir, or to nobody. True: there are more. */
static bool lq_grace_move_some(struct lq_parked *parked, struct lq_listener *heir)
{
	struct lq_listener *lst = parked->lst;
	struct lq_request *requests;
	struct lq_key key;
	bool more;

	lq_heirs_moving(lst);
	spin_lock(&parked->lock);
	more = lq_core_leave_requests(parked->core, LQ_STEPS_AT_ONCE, LQ_MOVE_AT_ONCE, &requests);
	spin_unlock(&parked->lock);
	while (requests) {
		struct lq_request *request = requests;

		requests = request->next;
		request->next = NULL;
		lq_parked_less(lst->lqn);
		memset(&key, 0, sizeof(key));
		lq_request_key(request, &key);
		key.ifindex = request->ifindex;
		if (heir && lq_listens_at(heir->sk, &key) &&
		    lq_heir_give_request(parked->port, &parked->told, heir, &key, request) ==
			    LQ_INHERITED_QUEUED)
			lq_heir_count(lst, heir);
		else
			lq_request_end(lst, request, LISTENQ_DROP_LISTENER_CLOSED);
	}
	lq_heirs_moved(lst);
	return more;
}

/* A connection that waited goes to @heir, or is reset. */
static void lq_grace_move_connection(struct lq_parked *parked, struct lq_listener *heir,
				     struct lq_request *entry)
{
	struct sock *child = entry->child;
	bool taken = false;

	lq_parked_less(parked->lst->lqn);
	if (heir) {
		/* Once it is queued, accept() may take it, and its owner close it. */
		sock_hold(child);
		lock_sock_nested(child, SINGLE_DEPTH_NESTING);
		taken = lq_heir_give_locked(heir, entry, entry->filter.kind, entry->stamp_us);
		release_sock(child);
		sock_put(child);
	}
	if (taken) {
		lq_heir_count(parked->lst, heir);
		return;
	}
	lq_child_reset(child);
	lq_drop_request(parked->lst, entry, LISTENQ_DROP_LISTENER_CLOSED);
}

/* Nothing is in it any more: segments do not find it, and it lets go of what it held. */
static void lq_grace_forget(struct lq_parked *parked)
{
	struct lq_listener *lst = parked->lst;
	struct lq_net *lqn = lst->lqn;

	spin_lock(&lqn->parked_lock);
	hlist_del_rcu(&parked->by_port);
	WRITE_ONCE(lqn->parked_places, lqn->parked_places - 1);
	spin_unlock(&lqn->parked_lock);
	lq_ports_unpark(&lqn->ports, parked->port);
	lq_hooks_put();
	kfree_rcu(parked, rcu);
	lq_listener_release(lst);
}

/* @parked is the caller's, and its deadline's work is not queued: all goes to @heir, or to nobody. */
static void lq_grace_end(struct lq_parked *parked, struct lq_listener *heir)
{
	struct lq_drained drained;
	bool more;

	spin_lock(&lq_parked_all_lock);
	list_del(&parked->all);
	spin_unlock(&lq_parked_all_lock);
	spin_lock_bh(&parked->lock);
	lq_core_leave(parked->core);
	spin_unlock_bh(&parked->lock);
	do {
		local_bh_disable();
		rcu_read_lock();
		more = lq_grace_move_some(parked, heir);
		rcu_read_unlock();
		local_bh_enable();
		cond_resched();
	} while (more);
	do {
		spin_lock_bh(&parked->lock);
		more = lq_core_close(parked->core, LQ_STEPS_AT_ONCE, &drained);
		spin_unlock_bh(&parked->lock);
		/* No ACK holds a request here: all have gone before. */
		WARN_ON_ONCE(drained.requests || drained.held);
		while (drained.connections) {
			struct lq_request *entry = drained.connections;

			drained.connections = entry->next;
			lq_grace_move_connection(parked, heir, entry);
			cond_resched();
		}
	} while (more);
	kvfree(drained.table);
	lq_grace_forget(parked);
}

/* lqn->parked_lock held. True: it is the caller's. */
static bool lq_grace_claim_locked(struct lq_parked *parked)
{
	const bool ours = parked->filled && !parked->claimed;

	if (ours)
		parked->claimed = true;
	return ours;
}

static bool lq_grace_claim(struct lq_parked *parked)
{
	struct lq_net *lqn = parked->lst->lqn;
	bool ours;

	spin_lock(&lqn->parked_lock);
	ours = lq_grace_claim_locked(parked);
	spin_unlock(&lqn->parked_lock);
	return ours;
}

/* Whoever claims @parked before waits for this to end, so it is there. */
static void lq_grace_deadline(struct work_struct *work)
{
	struct lq_parked *parked = container_of(to_delayed_work(work), struct lq_parked, end);

	if (lq_grace_claim(parked))
		lq_grace_end(parked, NULL);
}

/* --- its beginning --- */

static struct lq_parked *lq_grace_alloc(struct lq_listener *lst)
{
	struct lq_parked *parked =
		kzalloc(sizeof(*parked) + lq_core_size(), GFP_KERNEL_ACCOUNT);

	if (!parked)
		return NULL;
	BUILD_BUG_ON(sizeof(*parked) % 8); /* the core's alignment */
	parked->lst = lst;
	spin_lock_init(&parked->lock);
	INIT_DELAYED_WORK(&parked->end, lq_grace_deadline);
	parked->core = lq_core_init(parked + 1, &lst->keys);
	lq_parked_init(parked);
	return parked;
}

/* As large as what is to come asks for; it does not grow. False without memory. */
static bool lq_grace_open(struct lq_parked *parked)
{
	struct lq_listener *lst = parked->lst;
	struct lq_request **table;
	struct lq_config config;
	struct lq_limits limits;
	struct lq_shard *shard;
	u32 i, count = 0;

	lq_for_each_shard(lst, shard, i)
		count += lq_core_syn_qlen(shard->core);
	spin_lock_bh(&lst->settings_lock);
	lq_listener_config(lst, &config);
	limits = lst->limits;
	spin_unlock_bh(&lst->settings_lock);
	lq_core_park(parked->core, &config, &limits);
	count = clamp_t(u32, roundup_pow_of_two(count + 1), lq_core_table_first(parked->core),
			limits.syn_buckets);
	table = lq_table_alloc(count, GFP_KERNEL_ACCOUNT);
	if (table)
		lq_core_open(parked->core, table, count);
	return table;
}

/* Process context; the rest of lq_grace_forget() of one that was never found. */
static void lq_grace_free(struct lq_parked *parked)
{
	struct lq_drained drained;

	while (lq_core_close(parked->core, LQ_STEPS_AT_ONCE, &drained))
		;
	kvfree(drained.table);
	kfree(parked);
}

/* Segments find @parked from now on. -ENOSPC: there are too many. */
static int lq_grace_publish(struct lq_parked *parked)
{
	struct lq_listener *lst = parked->lst;
	const __be16 port = (__force __be16)parked->port->place.port;
	struct lq_net *lqn = lst->lqn;
	int err = lq_ports_park(&lqn->ports, parked->port);

	if (err)
		return err;
	spin_lock(&lqn->parked_lock);
	if (lqn->parked_places < LQ_PARKED_PLACES) {
		hlist_add_head_rcu(&parked->by_port, lq_parked_slot(lqn, port));
		WRITE_ONCE(lqn->parked_places, lqn->parked_places + 1);
	} else {
		err = -ENOSPC;
	}
	spin_unlock(&lqn->parked_lock);
	if (err)
		lq_ports_unpark_only(&lqn->ports, parked->port);
	return err;
}

/* Whether segments for @lst are to be kept from TCP, and what it has is worth it. */
static bool lq_grace_wanted(const struct lq_listener *lst)
{
	return lq_listener_grace_ms(lst) && !READ_ONCE(lst->releasing) &&
	       /* The sock holds the namespace. */
	       lst->sk->sk_net_refcnt &&
	       /* It has the address still: TCP's listener may have ended before. */
	       lst->port && inet_sk(lst->sk)->inet_sport == (__force __be16)lst->port->place.port;
}

bool lq_grace_begin(struct lq_listener *lst)
{
	struct lq_parked *parked;
	bool served;

	if (!lq_grace_wanted(lst))
		return false;
	parked = lq_grace_alloc(lst);
	if (!parked)
		return false;
	rcu_read_lock();
	served = lq_grace_successor(parked);
	rcu_read_unlock();
	if (served || !lq_grace_open(parked) || !lq_hooks_hold())
		goto free;
	if (lq_grace_publish(parked))
		goto put;
	refcount_inc(&lst->refs);
	sock_hold(lst->sk);
	lst->parked = parked;
	return true;

put:
	lq_hooks_put(); /* not the last: @lst has one */
free:
	lq_grace_free(parked);
	return false;
}

void lq_grace_filled(struct lq_listener *lst)
{
	struct lq_parked *parked = lst->parked;
	struct lq_net *lqn = lst->lqn;
	struct lq_listener *heir;

	lst->parked = NULL;
	lq_ports_keep(&lqn->ports, lst);
	spin_lock(&lq_parked_all_lock);
	list_add(&parked->all, &lq_parked_all);
	spin_unlock(&lq_parked_all_lock);
	spin_lock(&lqn->parked_lock);
	parked->filled = true;
	queue_delayed_work(lq_wq, &parked->end, msecs_to_jiffies(lq_listener_grace_ms(lst)) + 1);
	spin_unlock(&lqn->parked_lock);

	/* Who began to serve meanwhile did not see it, or we see that: lq_grace_take_over(). */
	smp_mb();
	rcu_read_lock();
	heir = lq_grace_successor(parked);
	if (!lq_listener_hold(heir))
		heir = NULL;
	rcu_read_unlock();
	if (!heir)
		return;
	if (lq_grace_claim(parked)) {
		cancel_delayed_work_sync(&parked->end);
		lq_grace_end(parked, heir);
	}
	lq_listener_release(heir);
}

/* Its own owner's, or another's, or NULL. */
static struct lq_parked *lq_grace_claim_for(struct lq_listener *lst, bool *own)
{
	struct hlist_head *slot = lq_parked_slot(lst->lqn, inet_sk(lst->sk)->inet_sport);
	struct lq_parked *parked;

	spin_lock(&lst->lqn->parked_lock);
	hlist_for_each_entry(parked, slot, by_port) {
		if (lq_parked_meets(parked, lst->port, lst->sk) && lq_grace_claim_locked(parked))
			break;
	}
	spin_unlock(&lst->lqn->parked_lock);
	*own = parked && uid_eq(parked->uid, lst->sk->sk_uid);
	return parked;
}

void lq_grace_take_over(struct lq_listener *lst)
{
	struct lq_parked *parked;
	bool own;

	/* It serves, and then this: lq_grace_filled(). */
	smp_mb();
	if (!lq_parked_any(lst->lqn))
		return;
	while ((parked = lq_grace_claim_for(lst, &own))) {
		cancel_delayed_work_sync(&parked->end);
		lq_grace_end(parked, own ? lst : NULL);
	}
}

void lq_grace_exit(void)
{
	struct lq_parked *parked;
	bool ours;

	do {
		rcu_read_lock();
		spin_lock(&lq_parked_all_lock);
		parked = list_first_entry_or_null(&lq_parked_all, struct lq_parked, all);
		spin_unlock(&lq_parked_all_lock);
		ours = parked && lq_grace_claim(parked);
		rcu_read_unlock();
		if (ours) {
			cancel_delayed_work_sync(&parked->end);
			lq_grace_end(parked, NULL);
		} else if (parked) {
			flush_workqueue(lq_wq); /* the deadline came first */
		}
	} while (parked);
}
