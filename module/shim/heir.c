// SPDX-License-Identifier: GPL-2.0
/*
 * Queues that move. As a listener ends, whatever way, what it has goes to others of ours that TCP would
 * have found in its place: connections with what they have received, those that a filter holds, and
 * half-open requests, whose ACKs find them by an alias of the tag that their SYN-ACKs carry.
 *
 *	stop: it has no place any more (lq_ports_leave()); only TCP's lookup may still bring it SYNs
 *	  |   lq_heirs_begin(): nothing new gets in; half-open requests go, a few under each hold of the
 *	  |   lock, while ACKs still find the others. One that comes for those in our hands waits.
 *	  |   lq_shards_close(): what was connected or held goes, one by one, under the child's lock
 *	  |   an ACK that was building its child meanwhile (LQ_COMMIT_CLOSED) hands that over itself, and
 *	  v   is waited for: it needs the sock's port
 *	the tag is forgotten
 *
 * Who is an heir: heir_choice.c. Of equal ones requests all go to one, connections to one after the other.
 * Limits are the heir's, and its filter is asked.
 *
 * Where nobody is left, all of that goes to a parking place instead, if there is one: park.h, grace.c.
 *
 * Locking: never two shards' locks; the heir is found and used under RCU, and its core says under its
 * lock that it has not ended.
 */
#include <linux/hash.h>

#include "../compat/compat.h"
#include "clock.h"
#include "cull.h"
#include "filter.h"
#include "guard.h"
#include "heir.h"
#include "heir_choice.h"
#include "held.h"
#include "listener.h"
#include "lookup.h"
#include "net.h"
#include "park.h"
#include "ports.h"
#include "request.h"
#include "settings.h"
#include "shard.h"
#include "synack.h"
#include "table.h"
#include "timer.h"

struct lq_listener *lq_heir_of_syn(struct lq_listener *lst, const struct lq_key *key)
{
	return lq_heir_choose(lst, key, hash_32((__force u16)key->peer_port, 16));
}

/* --- half-open requests --- */

/* How often another heir is tried where one has no room, or has ended. */
#define LQ_HEIR_TRIES 8

enum lq_inherited lq_heir_give_request(const struct lq_port *from, u64 *told,
				       struct lq_listener *heir, const struct lq_key *key,
				       struct lq_request *request)
{
	struct lq_shard *shard = lq_shard_of(heir, key);
	const u64 id = READ_ONCE(heir->id);
	enum lq_inherited inherited;

	/* Before it is there: an ACK that finds the alias alone waits. */
	if (*told != id && lq_ports_alias(&heir->lqn->ports, from, heir))
		return LQ_INHERITED_CLOSED;
	*told = id;
	lq_listener_refresh(heir);
	spin_lock(&shard->lock);
	lq_shard_accept_done_locked(shard);
	inherited = lq_core_inherit_request(shard->core, key, request);
	if (inherited == LQ_INHERITED_QUEUED) {
		lq_timer_arm_locked(shard, request->expires);
		lq_table_fit_locked(shard);
	}
	spin_unlock(&shard->lock);
	return inherited;
}

static struct lq_listener *lq_heir_of_request(struct lq_listener *lst, const struct lq_key *key,
					      const struct lq_request *request, u32 turn)
{
	struct tcp_request_sock treq;

	if (!(READ_ONCE(lst->migrating) & LQ_TO_HEIRS))
		return NULL;
	if (!lq_heir_programmed(lst->sk))
		return lq_heir_choose(lst, key, (u32)lst->id + turn);
	if (turn)
		return NULL;
	lq_request_view_tcp(&treq, lst, request);
	return lq_heir_by_program(lst, key, req_to_sk(&treq.req.req));
}

void lq_heir_count(struct lq_listener *lst, struct lq_listener *heir)
{
	lq_listener_event(lst, LISTENQ_EVENT_MIGRATED);
	lq_listener_event(heir, LISTENQ_EVENT_INHERITED);
	NET_INC_STATS(sock_net(lst->sk), LINUX_MIB_TCPMIGRATEREQSUCCESS);
}

/* One of @lst was taken over by @heir; NULL: it is parked. */
static void lq_heir_moved(struct lq_listener *lst, struct lq_shard *from, struct lq_listener *heir)
{
	spin_lock(&from->lock);
	lq_core_moved(from->core, 1);
	spin_unlock(&from->lock);
	if (heir)
		lq_heir_count(lst, heir);
}

static void lq_heir_none(const struct lq_listener *lst)
{
	/* With a program reuseport_migrate_sock() has counted it. */
	if (!lq_heir_programmed(lst->sk))
		__NET_INC_STATS(sock_net(lst->sk), LINUX_MIB_TCPMIGRATEREQFAILURE);
}

static bool lq_heir_park_request(struct lq_listener *lst, const struct lq_key *key,
				 struct lq_request *request)
{
	if (!(READ_ONCE(lst->migrating) & LQ_TO_PARKED) || !lq_park_request(lst, key, request))
		return false;
	lq_heir_moved(lst, lq_shard_of(lst, key), NULL);
	return true;
}

bool lq_heir_take_request(struct lq_listener *lst, struct lq_request *request)
{
	enum lq_inherited inherited = LQ_INHERITED_CLOSED;
	struct lq_listener *heir;
	struct lq_key key;
	u32 turn;

	if (!lq_heirs_are_there(lst))
		return false;
	memset(&key, 0, sizeof(key));
	lq_request_key(request, &key);
	key.ifindex = request->ifindex;
	for (turn = 0; turn < LQ_HEIR_TRIES; turn++) {
		heir = lq_heir_of_request(lst, &key, request, turn);
		if (!heir) {
			if (lq_heir_park_request(lst, &key, request))
				return true;
			/* Who took over what is parked is an heir now. */
			if (turn == 0 && READ_ONCE(lst->migrating) & LQ_TO_PARKED)
				continue;
			break;
		}
		inherited = lq_heir_give_request(lst->port, &lst->request_heir, heir, &key, request);
		if (inherited == LQ_INHERITED_QUEUED) {
			lq_heir_moved(lst, lq_shard_of(lst, &key), heir);
			return true;
		}
		if (inherited == LQ_INHERITED_DUPLICATE)
			break;
	}
	/* Where all that could have taken it have ended, too. */
	if (inherited == LQ_INHERITED_CLOSED && lq_heir_park_request(lst, &key, request))
		return true;
	lq_heir_none(lst);
	return false;
}

/* --- connections --- */

static struct lq_listener *lq_heir_of_child(struct lq_listener *lst, const struct lq_key *key,
					    struct sock *child, u32 turn)
{
	if (!(READ_ONCE(lst->migrating) & LQ_TO_HEIRS))
		return NULL;
	if (!lq_heir_programmed(lst->sk))
		return lq_heir_choose(lst, key, READ_ONCE(lst->heir_turn) + turn);
	return turn ? NULL : lq_heir_by_program(lst, key, child);
}

static enum lq_inherited lq_heir_give_child(struct lq_shard *shard, struct lq_request *entry,
					    struct sock *child, u8 passed, u32 since_us)
{
	enum lq_inherited inherited;

	lq_listener_refresh(shard->lst);
	spin_lock(&shard->lock);
	lq_shard_accept_done_locked(shard);
	inherited = lq_core_inherit(shard->core, entry, child, passed, since_us, lq_now_us());
	if (inherited == LQ_INHERITED_QUEUED) {
		lq_ack_backlog_add(shard->lst);
		lq_cull_watch_locked(shard);
	} else if (inherited == LQ_INHERITED_HELD) {
		lq_filter_held_locked(shard, false);
	}
	spin_unlock(&shard->lock);
	return inherited;
}

static bool lq_heir_park_child(struct lq_listener *lst, const struct lq_key *key,
			       struct lq_request *entry, struct sock *child, u8 passed, u32 since_us)
{
	if (!(READ_ONCE(lst->migrating) & LQ_TO_PARKED) ||
	    !lq_park_child(lst, key, entry, child, passed, since_us))
		return false;
	lq_heir_moved(lst, lq_shard_of(lst, key), NULL);
	return true;
}

enum lq_taken lq_heir_take_child(struct lq_listener *lst, struct lq_request *entry,
				 struct sock *child, u8 passed, u32 since_us,
				 struct lq_shard **taker)
{
	enum lq_inherited inherited = LQ_INHERITED_CLOSED;
	struct lq_listener *heir;
	struct lq_key key;
	u32 turn;

	/* Who has left is lost to the heir as well. */
	if (!lq_heirs_are_there(lst) || child->sk_state == TCP_CLOSE)
		return LQ_TAKEN_NOT;
	memset(&key, 0, sizeof(key));
	lq_request_key(entry, &key);
	/* Ports of one client follow each other: they say nothing. */
	WRITE_ONCE(lst->heir_turn, READ_ONCE(lst->heir_turn) + 1);
	for (turn = 0; turn < LQ_HEIR_TRIES; turn++) {
		heir = lq_heir_of_child(lst, &key, child, turn);
		if (!heir) {
			if (lq_heir_park_child(lst, &key, entry, child, passed, since_us))
				return LQ_TAKEN_PARKED;
			/* Who took over what is parked is an heir now. */
			if (turn == 0 && READ_ONCE(lst->migrating) & LQ_TO_PARKED)
				continue;
			break;
		}
		*taker = lq_shard_of(heir, &key);
		inherited = lq_heir_give_child(*taker, entry, child, passed, since_us);
		if (inherited == LQ_INHERITED_HELD || inherited == LQ_INHERITED_QUEUED) {
			lq_heir_moved(lst, lq_shard_of(lst, &key), heir);
			return inherited == LQ_INHERITED_HELD ? LQ_TAKEN_HELD : LQ_TAKEN_QUEUED;
		}
	}
	if (inherited == LQ_INHERITED_CLOSED &&
	    lq_heir_park_child(lst, &key, entry, child, passed, since_us))
		return LQ_TAKEN_PARKED;
	lq_heir_none(lst);
	return LQ_TAKEN_NOT;
}

/* Softirqs off, RCU, the child's lock held: @shard took it over from a listener that ended. */
static void lq_heir_taken(struct lq_shard *shard, struct lq_request *entry, struct sock *child,
			  bool held)
{
	lq_listener_event(shard->lst, held ? LISTENQ_EVENT_FILTER_HELD
					   : LISTENQ_EVENT_ESTABLISHED);
	if (held) {
		lq_held_hook(shard, child, entry);
		lq_held_bound(child, entry);
		/* What it waits for may have come before. */
		lq_held_look(child);
	} else {
		lq_listener_wake(shard->lst);
	}
}

bool lq_heir_take_locked(struct lq_listener *lst, struct lq_request *entry, u8 passed,
			 u32 since_us)
{
	struct sock *child = entry->child;
	struct lq_shard *shard;
	enum lq_taken taken;

	local_bh_disable();
	rcu_read_lock();
	taken = lq_heir_take_child(lst, entry, child, passed, since_us, &shard);
	if (taken == LQ_TAKEN_QUEUED || taken == LQ_TAKEN_HELD)
		lq_heir_taken(shard, entry, child, taken == LQ_TAKEN_HELD);
	rcu_read_unlock();
	local_bh_enable();
	return taken != LQ_TAKEN_NOT;
}

bool lq_heir_give_locked(struct lq_listener *heir, struct lq_request *entry, u8 passed,
			 u32 since_us)
{
	struct sock *child = entry->child;
	enum lq_inherited inherited;
	struct lq_shard *shard;
	struct lq_key key;

	if (child->sk_state == TCP_CLOSE)
		return false;
	memset(&key, 0, sizeof(key));
	lq_request_key(entry, &key);
	if (!lq_listens_at(heir->sk, &key))
		return false;
	shard = lq_shard_of(heir, &key);
	local_bh_disable();
	rcu_read_lock();
	inherited = lq_heir_give_child(shard, entry, child, passed, since_us);
	if (inherited == LQ_INHERITED_QUEUED || inherited == LQ_INHERITED_HELD)
		lq_heir_taken(shard, entry, child, inherited == LQ_INHERITED_HELD);
	rcu_read_unlock();
	local_bh_enable();
	return inherited == LQ_INHERITED_QUEUED || inherited == LQ_INHERITED_HELD;
}

/* --- the end begins --- */

void lq_heirs_moving(struct lq_listener *lst)
{
	WRITE_ONCE(lst->moving, true);
	/* Who sees the number sees that we are moving, before anything is in our hands. */
	atomic_inc_return(&lst->lqn->moves);
}

/* Softirqs off, RCU: some of the requests of @shard go. True: there are more. */
static bool lq_heirs_move_some(struct lq_shard *shard)
{
	struct lq_listener *lst = shard->lst;
	struct lq_request *requests;
	bool more;

	lq_heirs_moving(lst);
	spin_lock(&shard->lock);
	more = lq_core_leave_requests(shard->core, LQ_STEPS_AT_ONCE, LQ_MOVE_AT_ONCE, &requests);
	spin_unlock(&shard->lock);
	while (requests) {
		struct lq_request *request = requests;

		requests = request->next;
		request->next = NULL;
		if (!lq_heir_take_request(lst, request))
			lq_request_end(lst, request, LISTENQ_DROP_LISTENER_CLOSED);
	}
	lq_heirs_moved(lst);
	return more;
}

void lq_heirs_begin(struct lq_listener *lst, bool others, bool parks)
{
	u8 to = parks ? LQ_TO_PARKED : 0;
	struct lq_shard *shard;
	bool more;
	u32 i;

	lst->request_heir = 0;
	rcu_read_lock();
	/* Where it parks, others may come before it is done. */
	if ((others || parks) && (lq_heir_of_group(lst) || lq_heir_programmed(lst->sk)))
		to |= LQ_TO_HEIRS;
	WRITE_ONCE(lst->migrating, to);
	rcu_read_unlock();
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		lq_core_leave(shard->core);
		spin_unlock_bh(&shard->lock);
		if (!lst->migrating)
			continue;
		/* It may be making another table. */
		flush_work(&shard->grow);
		do {
			local_bh_disable();
			rcu_read_lock();
			more = lq_heirs_move_some(shard);
			rcu_read_unlock();
			local_bh_enable();
			cond_resched();
		} while (more);
	}
}
