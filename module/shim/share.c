// SPDX-License-Identifier: GPL-2.0
/*
 * Groups that share. A connection that has waited for steal_us in the queue of one member is there for
 * the others, but nobody has it before somebody asks: accept() and poll() of a member whose own queue is
 * empty look for one, and bring it to their own queue, from where it goes as any other. So what poll()
 * says accept() has. Who sleeps is woken by a work of the one where it waits, a few members at a time, in
 * turn, for as long as it waits: one that is stuck does not wake, and gets nothing. Where a whole round
 * has woken nobody who takes one, all are stuck, and the next round is slower.
 *
 * The group is TCP's (sk_reuseport_cb), so all members have the same user, address and port. What is due,
 * and whether another takes it, the cores say; bridge/share.h has the protocol. Softirqs are off from its
 * beginning to its end, so nobody waits long for the one connection that is in no queue.
 * selftests/model/stealing.pml is the protocol, with the mistakes that it finds.
 *
 * Locking: RCU, for the members; never two shards' locks.
 */
#include <linux/hash.h>
#include <net/sock_reuseport.h>

#include "clock.h"
#include "cull.h"
#include "filter.h"
#include "guard.h"
#include "heir.h"
#include "lookup.h"
#include "net.h"
#include "request.h"
#include "share.h"
#include "shard.h"

/* So many members are looked at, however large the group is: softirqs are off. */
#define LQ_SHARE_LOOKS 64
/* And so many are woken for what is due. */
#define LQ_SHARE_WAKES 4
/* Microseconds until others are, and most of them: anybody can have many groups that are stuck. */
#define LQ_SHARE_AGAIN_US 10000
#define LQ_SHARE_AGAIN_MAX_US 1000000

/* --- members; RCU --- */

/*
 * The group of @lst, if its members share: where a program chooses among them, only if that was
 * @asked for by this member itself.
 */
static const struct sock_reuseport *lq_share_group(const struct lq_listener *lst, s32 asked)
{
	const struct sock_reuseport *group = rcu_dereference(lst->sk->sk_reuseport_cb);

	if (!group || (rcu_access_pointer(group->prog) && asked == LQ_FOLLOW))
		return NULL;
	return group;
}

/* How many members @group has; each is below that, as in reuseport_select_sock(). */
static u32 lq_share_count(const struct sock_reuseport *group)
{
	const u32 count = READ_ONCE(group->num_socks);

	smp_rmb(); /* pairs with smp_wmb() in __reuseport_add_sock() */
	return count;
}

/* Member @index of @group if it is ours, and another one than @lst; or NULL. */
static struct lq_listener *lq_share_member(const struct sock_reuseport *group, u32 index,
					   const struct lq_listener *lst)
{
	const struct sock *sk = READ_ONCE(group->socks[index]);
	struct lq_listener *member = sk ? lq_listener_owned(sk) : NULL;

	return member != lst ? member : NULL;
}

/* Whether @lst takes from others, and they from it. */
static bool lq_share_steals(struct lq_listener *lst)
{
	/* No segment may have come since a sysctl changed. */
	lq_listener_refresh(lst);
	return READ_ONCE(lst->steals) && lq_share_group(lst, READ_ONCE(lst->overrides.steal_us));
}

static bool lq_share_idle(const struct lq_listener *member)
{
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(member, shard, i) {
		if (lq_core_accept_qlen(shard->core))
			return false;
	}
	return true;
}

/* --- to take; softirqs off, RCU --- */

/* The shard of @member whose oldest connection waits for longer than *waited_us, and is due. */
static struct lq_shard *lq_share_longest(struct lq_listener *member, u32 *waited_us)
{
	struct lq_shard *shard, *longest = NULL;
	u32 i, now_us, waited;

	lq_for_each_shard(member, shard, i) {
		if (!lq_core_accept_qlen(shard->core))
			continue;
		spin_lock(&shard->lock);
		now_us = lq_now_us(); /* not before anything that is queued */
		waited = lq_core_steal_due_us(shard->core, now_us) == 0
				 ? lq_core_accept_oldest_us(shard->core, now_us) : 0;
		spin_unlock(&shard->lock);
		if (waited > *waited_us) {
			*waited_us = waited;
			longest = shard;
		}
	}
	return longest;
}

/* Of all members but @lst. */
static struct lq_shard *lq_share_find(struct lq_listener *lst)
{
	const struct sock_reuseport *group = lq_share_group(lst, READ_ONCE(lst->overrides.steal_us));
	const u32 count = group ? lq_share_count(group) : 0;
	u32 i, index, waited_us = 0, first = READ_ONCE(lst->share_turn);
	struct lq_shard *shard, *longest = NULL;
	struct lq_listener *member;

	for (i = 0; i < min_t(u32, count, LQ_SHARE_LOOKS); i++) {
		index = (first + i) % count;
		member = lq_share_member(group, index, lst);
		if (!member || !lq_share_steals(member))
			continue;
		shard = lq_share_longest(member, &waited_us);
		if (shard)
			longest = shard;
	}
	/* The next ones, where there are more than that. */
	WRITE_ONCE(lst->share_turn, first + i);
	return longest;
}

/* It is in no queue from here on, and its listener listens. */
static bool lq_share_take_off(struct lq_shard *from, struct lq_stolen *stolen)
{
	struct sock *sk = from->lst->sk;
	struct request_sock_queue *queue = &inet_csk(sk)->icsk_accept_queue;
	bool taken;

	spin_lock(&from->lock);
	spin_lock(&queue->rskq_lock);
	taken = READ_ONCE(sk->sk_state) == TCP_LISTEN &&
		lq_core_steal(from->core, lq_now_us(), stolen);
	if (taken)
		lq_ack_backlog_remove_locked(from->lst);
	spin_unlock(&queue->rskq_lock);
	spin_unlock(&from->lock);
	return taken;
}

static bool lq_share_put_on(struct lq_listener *lst, const struct lq_stolen *stolen,
			    const struct lq_key *key)
{
	struct lq_shard *shard = lq_shard_of(lst, key);
	bool taken;

	spin_lock(&shard->lock);
	lq_shard_accept_done_locked(shard);
	/* A core that is open has the address that it will have. */
	taken = lq_listens_at(lst->sk, key) &&
		lq_core_take_stolen(shard->core, stolen, lq_now_us());
	if (taken) {
		lq_ack_backlog_add(lst);
		lq_cull_watch_locked(shard);
	}
	spin_unlock(&shard->lock);
	return taken;
}

static enum lq_steal_end lq_share_end(struct lq_shard *from, const struct lq_stolen *stolen,
				      bool taken)
{
	enum lq_steal_end end;

	spin_lock(&from->lock);
	end = lq_core_steal_end(from->core, stolen, taken);
	if (end == LQ_STEAL_BACK) {
		lq_ack_backlog_add(from->lst);
		/* The work may have run meanwhile, and found the queue empty. */
		lq_cull_watch_locked(from);
	} else {
		lq_filter_room_locked(from);
	}
	spin_unlock(&from->lock);
	return end;
}

static enum lq_steal_end lq_share_take(struct lq_listener *lst, struct lq_shard *from,
				       struct lq_stolen *stolen)
{
	enum lq_steal_end end;
	struct lq_key key;

	if (!lq_share_take_off(from, stolen))
		return LQ_STEAL_BACK;
	memset(&key, 0, sizeof(key));
	/* Once it is there another accept() may have it. */
	lq_request_key(stolen->entry, &key);
	end = lq_share_end(from, stolen, lq_share_put_on(lst, stolen, &key));
	if (end == LQ_STEAL_TAKEN) {
		WRITE_ONCE(from->lst->share_again_us, LQ_SHARE_AGAIN_US);
		lq_listener_event(lst, LISTENQ_EVENT_STOLEN);
		lq_listener_event(from->lst, LISTENQ_EVENT_LENT);
	}
	return end;
}

bool lq_share_pull_for(struct sock *sk)
{
	enum lq_steal_end end = LQ_STEAL_BACK;
	struct lq_shard *from = NULL;
	struct lq_stolen stolen;
	struct lq_listener *lst;

	local_bh_disable(); /* for the shards' locks */
	rcu_read_lock();
	lst = lq_listener_owned(sk);
	if (lst && lq_heir_serves(lst) && lq_share_idle(lst))
		from = lq_share_find(lst);
	if (from && !lq_listener_hold(from->lst))
		from = NULL;
	if (from)
		end = lq_share_take(lst, from, &stolen);
	rcu_read_unlock();
	local_bh_enable();
	if (!from)
		return false;
	/* Its listener ended, and this one did not take it: it goes as if it had been in the queue. */
	if (unlikely(end == LQ_STEAL_CLOSED))
		lq_connection_orphaned(from->lst, stolen.entry, stolen.passed);
	lq_listener_release(from->lst);
	return end == LQ_STEAL_TAKEN;
}

/* --- to tell --- */

/*
 * Whoever sleeps at @member. A task that is woken in TCP's own accept() and finds nothing sleeps
 * again, and is not seen meanwhile: so the feed, which looks who waits before it wakes, is asked.
 */
static void lq_share_tell(struct lq_listener *member)
{
	if (unlikely(READ_ONCE(member->feeding)) && lq_listener_tcp_waiters(member->sk))
		mod_delayed_work(lq_wq, &member->feed, 0);
	else
		lq_listener_wake(member);
}

/* Some who sleep, in turn. How many members were looked at, of *members. */
static u32 lq_share_wake(struct lq_listener *lst, u32 *members)
{
	const struct sock_reuseport *group;
	u32 i, count, first, woken = 0;
	struct lq_listener *member;

	rcu_read_lock();
	group = lq_share_group(lst, READ_ONCE(lst->overrides.steal_us));
	count = group ? lq_share_count(group) : 0;
	first = READ_ONCE(lst->share_turn);
	for (i = 0; i < min_t(u32, count, LQ_SHARE_LOOKS) && woken < LQ_SHARE_WAKES; i++) {
		member = lq_share_member(group, (first + i) % count, lst);
		if (!member || !lq_share_steals(member) || !lq_heir_serves(member) ||
		    !lq_share_idle(member))
			continue;
		lq_share_tell(member);
		woken++;
	}
	WRITE_ONCE(lst->share_turn, first + i);
	rcu_read_unlock();
	*members = count;
	return i;
}

/* One is due: others are woken. How long until others are; LQ_NEVER_US: there are no others. */
static u32 lq_share_wake_more(struct lq_listener *lst)
{
	u32 members, again_us = READ_ONCE(lst->share_again_us);

	lst->share_looked += lq_share_wake(lst, &members);
	if (members <= 1)
		return LQ_NEVER_US;
	if (lst->share_looked >= members) {
		lst->share_looked = 0;
		/* Somebody may take one, and set it back. */
		cmpxchg(&lst->share_again_us, again_us,
			min_t(u32, 2 * again_us, LQ_SHARE_AGAIN_MAX_US));
	}
	return again_us;
}

/* How long until a connection of @lst is there for others; 0: one is. */
static u32 lq_share_due_us(struct lq_listener *lst)
{
	u32 i, due_us = LQ_NEVER_US;
	struct lq_shard *shard;

	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		due_us = min(due_us, lq_core_steal_due_us(shard->core, lq_now_us()));
		spin_unlock_bh(&shard->lock);
	}
	return due_us;
}

static void lq_share_work(struct work_struct *work)
{
	struct lq_listener *lst = container_of(to_delayed_work(work), struct lq_listener, share);
	u32 due_us = lq_share_due_us(lst);

	if (due_us == 0) {
		/* Until somebody has it: stealing.pml says why once is not enough. */
		due_us = lq_share_wake_more(lst);
	} else {
		lst->share_looked = 0;
		WRITE_ONCE(lst->share_again_us, LQ_SHARE_AGAIN_US);
	}
	if (due_us != LQ_NEVER_US)
		lq_cull_arm(&lst->share, due_us);
}

void lq_share_init(struct lq_listener *lst)
{
	INIT_DELAYED_WORK(&lst->share, lq_share_work);
	lst->share_again_us = LQ_SHARE_AGAIN_US;
}

/* --- SYNs --- */

struct lq_listener *lq_share_of_syn(struct lq_listener *lst, const struct lq_key *key, u32 turn)
{
	const struct sock_reuseport *group =
		lq_share_group(lst, READ_ONCE(lst->overrides.stalled_ms));
	const u32 count = group ? lq_share_count(group) : 0;
	struct lq_listener *member;
	u32 i, first;

	if (!count)
		return NULL;
	/* A SYN that comes again is given to the same one. */
	first = hash_32((__force u16)key->peer_port, 16) % count;
	for (i = 0; i < min_t(u32, count, LQ_SHARE_LOOKS); i++) {
		member = lq_share_member(group, (first + i) % count, lst);
		if (!member || !lq_heir_serves(member) || !lq_listens_at(member->sk, key))
			continue;
		if (turn-- == 0)
			return member;
	}
	return NULL;
}
