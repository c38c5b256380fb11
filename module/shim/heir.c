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
 * An heir has the same owner, device and, for the connection, address; it has not ended, nor is it given
 * back to TCP. Of several, one of the SO_REUSEPORT group comes first, then the one that TCP's lookup
 * scores highest; of equal ones requests all go to one, connections to one after the other. Limits
 * are the heir's, and its filter is asked. Where a program of the group decides
 * (BPF_SK_REUSEPORT_SELECT_OR_MIGRATE), it does.
 *
 * Where nobody is left, all of that goes to a parking place instead, if there is one: park.h, grace.c.
 *
 * Locking: never two shards' locks; the heir is found and used under RCU, and its core says under its
 * lock that it has not ended.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/hash.h>
#include <net/sock_reuseport.h>

#include "../compat/compat.h"
#include "clock.h"
#include "cull.h"
#include "filter.h"
#include "guard.h"
#include "heir.h"
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

/* --- who --- */

/* What decides between several: the higher, the better. */
enum {
	LQ_HEIR_FAMILY = 1,	/* compute_score(): an IPv4 socket before a dual-stack one */
	LQ_HEIR_PARTICULAR = 2, /* the address itself before any address */
	LQ_HEIR_GROUP = 4,
};

static struct sock_reuseport *lq_heir_group(const struct sock *sk)
{
	return rcu_dereference(sk->sk_reuseport_cb);
}

/* Whether a program of the group of @sk decides where its connections go. */
static bool lq_heir_programmed(const struct sock *sk)
{
	const struct sock_reuseport *group = lq_heir_group(sk);
	const struct bpf_prog *prog = group ? rcu_dereference(group->prog) : NULL;

	return prog && prog->expected_attach_type == BPF_SK_REUSEPORT_SELECT_OR_MIGRATE;
}

/* net.listenq.migrate, or TCP's own tcp_migrate_req, which is for groups. */
static bool lq_heir_any(const struct lq_listener *lst)
{
	return READ_ONCE(lst->lqn->sysctls.migrate);
}

static bool lq_heir_of_group(const struct lq_listener *lst)
{
	return lq_heir_any(lst) || READ_ONCE(sock_net(lst->sk)->ipv4.sysctl_tcp_migrate_req);
}

/* -1: it is none. */
static int lq_heir_score(const struct lq_listener *lst, const struct lq_listener *heir,
			 const struct lq_key *key, bool particular)
{
	const struct sock *from = lst->sk, *to = heir->sk;
	int score = particular ? LQ_HEIR_PARTICULAR : 0;

	if (heir == lst || !lq_heir_serves(heir) || !lq_listens_at(to, key) ||
	    !uid_eq(from->sk_uid, to->sk_uid) ||
	    READ_ONCE(from->sk_bound_dev_if) != READ_ONCE(to->sk_bound_dev_if))
		return -1;
	if (to->sk_family == (key->v6 ? AF_INET6 : AF_INET))
		score += LQ_HEIR_FAMILY;
	if (lq_heir_group(from) && lq_heir_group(from) == lq_heir_group(to))
		score += LQ_HEIR_GROUP;
	else if (!lq_heir_any(lst))
		return -1;
	return score;
}

/* At so many listeners of each list it looks, however many there are: softirqs are off. */
#define LQ_HEIR_LOOKS 64

/* Both lists of those that may be an heir, and how the best of them score. */
struct lq_heirs {
	struct rhlist_head *lists[2];
	int best;
	u32 count; /* of the best */
};

static void lq_heirs_count(struct lq_listener *lst, const struct lq_key *key, struct lq_heirs *heirs)
{
	struct rhlist_head *at;
	struct lq_port *port;
	u32 i, looks;

	heirs->best = -1;
	heirs->count = 0;
	for (i = 0; i < ARRAY_SIZE(heirs->lists); i++) {
		looks = 0;
		rhl_for_each_entry_rcu(port, at, heirs->lists[i], by_place) {
			const int score = lq_heir_score(lst, port->lst, key, i == 1);

			if (looks++ == LQ_HEIR_LOOKS)
				break;
			if (score < 0 || score < heirs->best)
				continue;
			heirs->count = score > heirs->best ? 1 : heirs->count + 1;
			heirs->best = score;
		}
	}
}

/* Number @left of the best, or the last of them, if some have left; NULL: all of them have. */
static struct lq_listener *lq_heirs_pick(struct lq_listener *lst, const struct lq_key *key,
					 const struct lq_heirs *heirs, u32 left)
{
	struct lq_listener *chosen = NULL;
	struct rhlist_head *at;
	struct lq_port *port;
	u32 i, looks;

	for (i = 0; i < ARRAY_SIZE(heirs->lists); i++) {
		looks = 0;
		rhl_for_each_entry_rcu(port, at, heirs->lists[i], by_place) {
			if (looks++ == LQ_HEIR_LOOKS)
				break;
			if (lq_heir_score(lst, port->lst, key, i == 1) != heirs->best)
				continue;
			chosen = port->lst;
			if (left-- == 0)
				return chosen;
		}
	}
	return chosen;
}

/* How often those are counted again that changed before one was picked: groups change, listeners end. */
#define LQ_HEIR_COUNTS 4

/* Of the heirs that score highest number @turn, modulo how many they are; or NULL. */
static struct lq_listener *lq_heir_choose(struct lq_listener *lst, const struct lq_key *key, u32 turn)
{
	const __be16 number = inet_sk(lst->sk)->inet_sport;
	struct lq_listener *chosen = NULL;
	struct lq_heirs heirs = {
		.lists = {
			lq_ports_any(&lst->lqn->ports, number),
			lq_ports_particular(&lst->lqn->ports, number, key),
		},
	};
	u32 i;

	for (i = 0; i < LQ_HEIR_COUNTS && !chosen; i++) {
		lq_heirs_count(lst, key, &heirs);
		if (heirs.count == 0)
			break;
		chosen = lq_heirs_pick(lst, key, &heirs, turn % heirs.count);
	}
	return chosen;
}

/*
 * The program of the group of @lst is asked about @migrating, a child or a request. One that says no
 * more than yes leaves the choice to TCP, for which we are in the group still.
 */
static struct lq_listener *lq_heir_by_program(struct lq_listener *lst, const struct lq_key *key,
					      struct sock *migrating)
{
	struct sock *sk = reuseport_migrate_sock(lst->sk, migrating, NULL);
	struct lq_listener *heir;

	if (!sk)
		return NULL;
	heir = lq_listener_owned(sk);
	sock_put(sk); /* its listener lives as long as RCU */
	if (heir == lst)
		return lq_heir_choose(lst, key, READ_ONCE(lst->heir_turn));
	return heir && lq_heir_serves(heir) ? heir : NULL;
}

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
