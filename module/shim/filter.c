// SPDX-License-Identifier: GPL-2.0
/*
 * Accept filters: a child that is connected waits on the filter queue until
 * its peer has said enough. This is the queue, and how a filter is set; held.c
 * has what TCP tells of a child that waits.
 *
 * What must not happen in a softirq is done by two works of the listener, both
 * queued under a shard's lock while its core is open, and waited for when the
 * listener stops. The reaper resets those that were refused, and puts those
 * that are ready on the accept queue as there is room. The other work finds
 * those that were held too long; it is due when the oldest of them is.
 */
#include <linux/filter.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "drop.h"
#include "listenq.h"
#include "trace.h"

/* Entries that change their place under one hold of a shard's lock. */
#define LQ_ENTRIES_AT_ONCE 64

/* --- room on the accept queue; a shard's lock held --- */

void lq_filter_room_locked(struct lq_shard *shard)
{
	if (unlikely(shard->ready) && lq_core_filter_room(shard->core))
		queue_work(lq_wq, &shard->lst->reaper);
}

void lq_filter_ready_locked(struct lq_shard *shard)
{
	WRITE_ONCE(shard->ready, true);
	/* An accept() that gives its place up now sees this, or we see its place: lq_filter_room(). */
	smp_mb();
	lq_accept_settle_locked(shard);
	lq_filter_room_locked(shard);
}

void lq_filter_room(struct lq_shard *shard)
{
	spin_lock_bh(&shard->lock);
	lq_accept_settle_locked(shard);
	lq_filter_room_locked(shard);
	spin_unlock_bh(&shard->lock);
}

/* --- a child comes --- */

void lq_filter_held_locked(struct lq_shard *shard, bool evicts)
{
	struct lq_listener *lst = shard->lst;
	u32 due_us;

	if (evicts)
		atomic_inc(&shard->evicting);
	lq_filter_room_locked(shard); /* the child has left the place that its ACK reserved */
	if (delayed_work_pending(&lst->expiry))
		return;
	due_us = lq_core_filter_due_us(shard->core, lq_now_us());
	if (due_us != LQ_NEVER_US)
		queue_delayed_work(lq_wq, &lst->expiry, usecs_to_jiffies(due_us) + 1);
}

void lq_filter_changed_locked(struct lq_shard *shard)
{
	lq_accept_settle_locked(shard);
	lq_filter_room_locked(shard);
	if (lq_core_filter_due_us(shard->core, lq_now_us()) != LQ_NEVER_US)
		mod_delayed_work(lq_wq, &shard->lst->expiry, 0);
}

/* --- the works --- */

/* Process context: reset the child of @entry, which is in no queue any more, and free it. */
static void lq_held_reset(struct lq_listener *lst, struct lq_request *entry, u8 reason)
{
	struct sock *child = entry->child;

	/* One of its own class, the listener's, may be held. */
	lock_sock_nested(child, SINGLE_DEPTH_NESTING);
	lq_held_unhook(lst, child, entry);
	release_sock(child);
	lq_child_reset(child);
	lq_held_drop(lst, entry, reason);
}

/* @entry was ready, and its place on the accept queue is reserved. */
static void lq_held_admit(struct lq_shard *shard, struct lq_request *entry)
{
	struct lq_listener *lst = shard->lst;
	struct sock *sk = lst->sk, *child = entry->child;
	u32 now_us, waited_us;
	bool admitted;

	/* Once it is queued, accept() may take it, and its owner close it. */
	sock_hold(child);
	lock_sock_nested(child, SINGLE_DEPTH_NESTING);
	lq_held_unhook(lst, child, entry);
	spin_lock_bh(&shard->lock);
	now_us = lq_now_us();
	waited_us = now_us - entry->stamp_us;
	admitted = lq_core_filter_admit(shard->core, entry, now_us);
	if (admitted) {
		lq_ack_backlog_add(lst);
		trace_filter_pass(lst, entry, waited_us);
	}
	spin_unlock_bh(&shard->lock);
	release_sock(child);
	if (admitted) {
		lq_listener_event(lst, LISTENQ_EVENT_FILTER_PASSED);
		lq_listener_event(lst, LISTENQ_EVENT_ESTABLISHED);
		READ_ONCE(sk->sk_data_ready)(sk);
	} else {
		lq_child_reset(child);
		lq_held_drop(lst, entry, LISTENQ_DROP_LISTENER_CLOSED);
	}
	sock_put(child);
}

static void lq_reap_shard(struct lq_shard *shard)
{
	struct lq_request *refused, *ready;

	do {
		spin_lock_bh(&shard->lock);
		lq_accept_settle_locked(shard);
		refused = lq_core_filter_refused(shard->core);
		ready = lq_core_filter_take(shard->core);
		if (!lq_core_filter_ready(shard->core))
			WRITE_ONCE(shard->ready, false);
		spin_unlock_bh(&shard->lock);
		if (refused)
			lq_held_reset(shard->lst, refused, LISTENQ_DROP_FILTER_REFUSED);
		if (ready)
			lq_held_admit(shard, ready);
		cond_resched();
	} while (refused || ready);
}

static void lq_reap(struct work_struct *work)
{
	struct lq_listener *lst = container_of(work, struct lq_listener, reaper);
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i)
		lq_reap_shard(shard);
}

/* Those that were held too long are ready. How long until the next one is. */
static u32 lq_expire_shard(struct lq_shard *shard)
{
	u32 due_us;
	bool more;

	do {
		spin_lock_bh(&shard->lock);
		more = lq_core_filter_expire(shard->core, lq_now_us(), LQ_ENTRIES_AT_ONCE);
		due_us = lq_core_filter_due_us(shard->core, lq_now_us());
		if (lq_core_filter_ready(shard->core))
			lq_filter_ready_locked(shard);
		spin_unlock_bh(&shard->lock);
		cond_resched();
	} while (more);
	return due_us;
}

static void lq_expire(struct work_struct *work)
{
	struct lq_listener *lst = container_of(to_delayed_work(work), struct lq_listener, expiry);
	u32 i, due_us = LQ_NEVER_US;
	struct lq_shard *shard;

	lq_for_each_shard(lst, shard, i)
		due_us = min(due_us, lq_expire_shard(shard));
	/* A child that came meanwhile may have asked for a later time. */
	if (due_us != LQ_NEVER_US)
		mod_delayed_work(lq_wq, &lst->expiry, usecs_to_jiffies(due_us) + 1);
}

/* --- others go --- */

/*
 * A process such as ss -K owns the child's lock, which is to be waited for: by the reaper, or by
 * the one that closed the listener meanwhile and waits for us.
 */
static void lq_filter_evict_later(struct lq_shard *shard, struct lq_request *entry)
{
	struct lq_listener *lst = shard->lst;
	const bool counted = entry->flags & LQ_REQ_REFUSED;
	struct lq_key key = {};
	bool later;

	lq_request_key(entry, &key);
	spin_lock(&shard->lock);
	later = lq_core_filter_put_back(shard->core, entry);
	if (later) {
		queue_work(lq_wq, &lst->reaper);
	} else {
		entry->next = shard->abandoned;
		shard->abandoned = entry;
	}
	spin_unlock(&shard->lock);
	if (later && !counted)
		lq_drop(lst, &key, LISTENQ_DROP_FILTER_OVERFLOW);
}

void lq_filter_evict(struct lq_shard *shard, struct lq_request *list)
{
	struct lq_listener *lst = shard->lst;

	if (!list)
		return;
	while (list) {
		struct lq_request *entry = list;
		struct sock *child = entry->child;

		list = entry->next;
		sock_hold(child);
		bh_lock_sock(child);
		if (sock_owned_by_user(child)) {
			lq_filter_evict_later(shard, entry);
		} else {
			lq_held_unhook(lst, child, entry);
			lq_child_forget_locked(child);
			lq_held_drop(lst, entry, LISTENQ_DROP_FILTER_OVERFLOW);
		}
		bh_unlock_sock(child);
		sock_put(child);
	}
	if (atomic_dec_and_test(&shard->evicting))
		wake_up_var(&shard->evicting);
}

static void lq_filter_reset_all(struct lq_listener *lst, struct lq_request *list, u8 reason)
{
	while (list) {
		struct lq_request *entry = list;

		list = entry->next;
		lq_held_reset(lst, entry, reason);
		cond_resched();
	}
}

void lq_filter_drain(struct lq_shard *shard, struct lq_request *held)
{
	struct lq_listener *lst = shard->lst;
	struct lq_request *abandoned;

	/* What they have in their hands is in no queue. */
	cancel_delayed_work_sync(&lst->expiry);
	cancel_work_sync(&lst->reaper);
	wait_var_event(&shard->evicting, !atomic_read(&shard->evicting));
	spin_lock_bh(&shard->lock);
	abandoned = shard->abandoned;
	shard->abandoned = NULL;
	WRITE_ONCE(shard->ready, false);
	spin_unlock_bh(&shard->lock);
	lq_filter_reset_all(lst, abandoned, LISTENQ_DROP_FILTER_OVERFLOW);
	lq_filter_reset_all(lst, held, LISTENQ_DROP_LISTENER_CLOSED);
}

void lq_filter_init(struct lq_listener *lst)
{
	INIT_WORK(&lst->reaper, lq_reap);
	INIT_DELAYED_WORK(&lst->expiry, lq_expire);
}

/* --- setting and removing; lst->control held --- */

static void lq_filter_use(struct lq_listener *lst, u8 filter)
{
	struct lq_shard *shard;
	u32 i;

	WRITE_ONCE(lst->filter, filter); /* getsockopt() reads it without the mutex */
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		lq_core_filter_set(shard->core, filter);
		spin_unlock_bh(&shard->lock);
	}
}

static int lq_filter_use_name(struct lq_listener *lst, const char *name, size_t length)
{
	const int filter = lq_core_filter_find(name, length);

	if (!lst->listening || lst->filter != LQ_FILTER_NONE)
		return -EINVAL;
	if (filter < 0)
		return -ENOENT;
	lq_filter_use(lst, filter);
	return 0;
}

static void lq_program_free(struct lq_program *program)
{
	bpf_prog_destroy(program->bpf);
	kfree(program);
}

static void lq_program_free_rcu(struct rcu_head *rcu)
{
	lq_program_free(container_of(rcu, struct lq_program, rcu));
}

void lq_filter_forget(struct lq_listener *lst)
{
	struct lq_program *program;

	WRITE_ONCE(lst->filter, LQ_FILTER_NONE);
	program = rcu_replace_pointer(lst->filter_program, NULL, lockdep_is_held(&lst->control));
	if (program)
		call_rcu(&program->rcu, lq_program_free_rcu);
}

/* All that it held are ready; those that come now are not held. */
static void lq_filter_release(struct lq_shard *shard)
{
	bool more;

	do {
		spin_lock_bh(&shard->lock);
		more = lq_core_filter_release(shard->core, LQ_ENTRIES_AT_ONCE);
		if (lq_core_filter_ready(shard->core))
			lq_filter_ready_locked(shard);
		spin_unlock_bh(&shard->lock);
		cond_resched();
	} while (more);
}

static void lq_filter_take_away(struct lq_listener *lst)
{
	struct lq_shard *shard;
	u32 i;

	if (lst->filter == LQ_FILTER_NONE)
		return;
	lq_filter_use(lst, LQ_FILTER_NONE);
	lq_for_each_shard(lst, shard, i)
		lq_filter_release(shard);
	/* As many as have room can be accepted when the call returns. */
	flush_work(&lst->reaper);
	lq_filter_forget(lst);
}

int lq_filter_replace_locked(struct lq_listener *lst, const char *name, size_t length)
{
	lq_filter_take_away(lst);
	return length > 0 ? lq_filter_use_name(lst, name, length) : 0;
}

/* --- the same without it --- */

int lq_filter_set_name(struct lq_listener *lst, const char *name, size_t length)
{
	int err;

	mutex_lock(&lst->control);
	err = lq_filter_use_name(lst, name, length);
	mutex_unlock(&lst->control);
	return err;
}

void lq_filter_remove(struct lq_listener *lst)
{
	mutex_lock(&lst->control);
	lq_filter_take_away(lst);
	mutex_unlock(&lst->control);
}

/* The user's memory is read, for as long as that takes, before any lock is taken. */
int lq_filter_set_program(struct lq_listener *lst, struct sock_fprog *code)
{
	struct lq_program *program = kzalloc(sizeof(*program), GFP_KERNEL_ACCOUNT);
	int err;

	if (!program)
		return -ENOMEM;
	err = bpf_prog_create_from_user(&program->bpf, code, NULL, false);
	if (err) {
		kfree(program);
		return err;
	}
	mutex_lock(&lst->control);
	if (!lst->listening || lst->filter != LQ_FILTER_NONE) {
		err = -EINVAL;
	} else {
		rcu_assign_pointer(lst->filter_program, program);
		lq_filter_use(lst, LQ_FILTER_BPF);
	}
	mutex_unlock(&lst->control);
	if (err)
		lq_program_free(program);
	return err;
}
