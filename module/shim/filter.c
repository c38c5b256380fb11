// SPDX-License-Identifier: GPL-2.0
/*
 * Accept filters: a child that is connected waits on the filter queue until
 * its peer has said enough. TCP tells us of its data through the child's own
 * callbacks, which are ours meanwhile.
 *
 *	built --> held --data--> passes ----------> accept queue
 *	           |  |--FIN, full buffer, filter removed--^
 *	           |  '--RST, timeout--> gone: freed here
 *	           |--BPF says drop----> refused: the reaper resets it
 *	           '--too many, close--> the evictor or stop() resets it
 *
 * A callback runs under the child's lock. It asks the core whether the child is
 * still held before it changes anything, and whoever frees an entry has put
 * the child's own callbacks back under the child's lock first: so no callback
 * ever sees a freed entry, or a listener that is gone.
 *
 * While a child is held its sk_user_data is ours: a BPF program that would put
 * it into a sockmap gets EBUSY.
 */
#include <linux/filter.h>
#include <linux/skbuff.h>
#include <net/tcp.h>

#include "listenq.h"
#include "trace.h"

static void lq_held_data_ready(struct sock *child);
static void lq_held_state_change(struct sock *child);
static void lq_held_drop(struct lq_listener *lst, struct lq_request *entry, u8 reason);

/* --- the child's callbacks; its lock held --- */

static void lq_held_hook(struct lq_shard *shard, struct sock *child, struct lq_request *entry)
{
	entry->owner = shard;
	rcu_assign_sk_user_data(child, entry);
	WRITE_ONCE(child->sk_state_change, lq_held_state_change);
	WRITE_ONCE(child->sk_data_ready, lq_held_data_ready);
}

/* Its own are the listener's, which it was cloned from. */
static void lq_held_unhook_locked(const struct lq_listener *lst, struct sock *child)
{
	if (child->sk_data_ready != lq_held_data_ready)
		return;
	WRITE_ONCE(child->sk_data_ready, READ_ONCE(lst->sk->sk_data_ready));
	WRITE_ONCE(child->sk_state_change, READ_ONCE(lst->sk->sk_state_change));
	rcu_assign_sk_user_data(child, NULL);
}

/* Process context, the child's lock not held. */
static void lq_held_unhook(const struct lq_listener *lst, struct sock *child)
{
	/* One of its own class, the listener's, may be held. */
	lock_sock_nested(child, SINGLE_DEPTH_NESTING);
	lq_held_unhook_locked(lst, child);
	release_sock(child);
}

/* --- reading --- */

/* The peer can send no more until somebody reads. */
static bool lq_held_full(const struct sock *child)
{
	return tcp_receive_window(tcp_sk(child)) < inet_csk(child)->icsk_ack.rcv_mss ||
	       atomic_read(&child->sk_rmem_alloc) >= READ_ONCE(child->sk_rcvbuf);
}

/* Give the parser what it has not seen. */
static enum lq_filter_verdict lq_held_parse(struct sock *child, struct lq_request *entry)
{
	struct sk_buff *skb;

	skb_queue_walk(&child->sk_receive_queue, skb) {
		const u32 offset = tcp_sk(child)->copied_seq + entry->filter_seen -
				   TCP_SKB_CB(skb)->seq;
		struct skb_seq_state state;
		unsigned int done = 0, length;
		const u8 *bytes;

		if (offset >= skb->len)
			continue;
		skb_prepare_seq_read(skb, offset, skb->len, &state);
		while ((length = skb_seq_read(done, &bytes, &state)) > 0) {
			const enum lq_filter_verdict verdict =
				lq_core_filter_feed(&entry->filter, bytes, length);

			done += length;
			entry->filter_seen += length;
			if (verdict != LQ_FILTER_WAIT) {
				skb_abort_seq_read(&state);
				return verdict;
			}
		}
	}
	return LQ_FILTER_WAIT;
}

/* The first bytes in one piece, or NULL without memory. The caller frees it. */
static struct sk_buff *lq_held_first(const struct sock *child, u32 length)
{
	struct sk_buff *first = alloc_skb(length, GFP_ATOMIC);
	const struct sk_buff *skb;

	if (!first)
		return NULL;
	skb_queue_walk(&child->sk_receive_queue, skb) {
		const u32 offset = tcp_sk(child)->copied_seq + first->len - TCP_SKB_CB(skb)->seq;
		u32 piece;

		if (first->len == length)
			break;
		if (offset >= skb->len)
			continue;
		piece = min(skb->len - offset, length - first->len);
		if (skb_copy_bits(skb, offset, skb_put(first, piece), piece)) {
			kfree_skb(first);
			return NULL;
		}
	}
	return first;
}

static enum lq_filter_verdict lq_held_program(struct bpf_prog *program, struct sock *child,
					      struct lq_request *entry)
{
	const u32 there = tcp_sk(child)->rcv_nxt - tcp_sk(child)->copied_seq;
	const u32 length = min_t(u32, there, LISTENQ_BPF_LOOK);
	struct sk_buff *first;
	u32 said;

	if (length == entry->filter_seen)
		return LQ_FILTER_WAIT;
	first = lq_held_first(child, length);
	if (!first)
		return LQ_FILTER_PASS; /* rather than wait for ever */
	entry->filter_seen = length;
	said = bpf_prog_run_save_cb(program, first);
	kfree_skb(first);
	if (said == LISTENQ_BPF_DROP)
		return LQ_FILTER_REFUSE;
	return said == LISTENQ_BPF_WAIT && length < LISTENQ_BPF_LOOK ? LQ_FILTER_WAIT
								      : LQ_FILTER_PASS;
}

/* --- what becomes of it; the child's lock held --- */

static void lq_held_pass(struct lq_shard *shard, struct sock *child, struct lq_request *entry)
{
	struct lq_listener *lst = shard->lst;
	struct sock *sk = lst->sk;
	u32 now_us, waited_us;
	bool passed;

	/* First: accept() may have it as soon as it is queued. */
	lq_held_unhook_locked(lst, child);
	spin_lock_bh(&shard->lock);
	now_us = lq_now_us();
	waited_us = now_us - entry->stamp_us;
	passed = lq_core_filter_pass(shard->core, entry, now_us);
	if (passed) {
		lq_ack_backlog_add(lst);
		trace_filter_pass(lst, entry, waited_us);
	}
	spin_unlock_bh(&shard->lock);
	if (!passed)
		return;
	lq_listener_event(lst, LISTENQ_EVENT_FILTER_PASSED);
	lq_listener_event(lst, LISTENQ_EVENT_ESTABLISHED);
	READ_ONCE(sk->sk_data_ready)(sk);
}

/* TCP is done with the child: what tcp_done() does for one that nobody owns. */
static void lq_held_gone(struct lq_shard *shard, struct sock *child, struct lq_request *entry)
{
	struct lq_listener *lst = shard->lst;
	bool gone;

	lq_held_unhook_locked(lst, child);
	spin_lock_bh(&shard->lock);
	gone = lq_core_filter_gone(shard->core, entry);
	spin_unlock_bh(&shard->lock);
	if (!gone)
		return;
	lq_held_drop(lst, entry, LISTENQ_DROP_FILTER_GONE);
	sock_orphan(child);
	this_cpu_inc(*child->sk_prot->orphan_count);
	inet_csk_destroy_sock(child);
}

static void lq_held_refuse(struct lq_shard *shard, struct sock *child, struct lq_request *entry)
{
	struct lq_listener *lst = shard->lst;
	struct lq_key key = {};
	bool refused;

	/* The child is in the middle of a segment: resetting it has to wait. */
	lq_held_unhook_locked(lst, child);
	lq_request_key(entry, &key);
	spin_lock_bh(&shard->lock);
	refused = lq_core_filter_refuse(shard->core, entry);
	if (refused)
		queue_work(lq_wq, &lst->reaper);
	spin_unlock_bh(&shard->lock);
	if (refused) {
		lq_listener_drop(lst, LISTENQ_DROP_FILTER_REFUSED);
		trace_drop(lst, &key, LISTENQ_DROP_FILTER_REFUSED);
	}
}

/*
 * Softirq, or process context when TCP's work was left to the owner of the
 * child's lock. RCU keeps the listener's sock while it is woken: once the entry
 * is on the accept queue, nothing else does.
 */
static void lq_held_data_ready(struct sock *child)
{
	struct lq_request *entry;
	struct lq_shard *shard;
	enum lq_filter_verdict verdict;

	rcu_read_lock();
	entry = rcu_dereference_sk_user_data(child);
	shard = entry->owner;
	if (entry->filter.kind == LQ_FILTER_BPF)
		verdict = lq_held_program(shard->lst->filter_program, child, entry);
	else
		verdict = lq_held_parse(child, entry);
	if (verdict == LQ_FILTER_WAIT && lq_held_full(child))
		verdict = LQ_FILTER_PASS;
	switch (verdict) {
	case LQ_FILTER_WAIT:
		break;
	case LQ_FILTER_PASS:
		lq_held_pass(shard, child, entry);
		break;
	case LQ_FILTER_REFUSE:
		lq_held_refuse(shard, child, entry);
		break;
	}
	rcu_read_unlock();
}

/* It also tells that the handshake is done, which means nothing here. */
static void lq_held_state_change(struct sock *child)
{
	struct lq_request *entry;
	struct lq_shard *shard;

	rcu_read_lock();
	entry = rcu_dereference_sk_user_data(child);
	shard = entry->owner;
	if (child->sk_state == TCP_CLOSE)
		lq_held_gone(shard, child, entry);
	else if (child->sk_shutdown & RCV_SHUTDOWN)
		lq_held_pass(shard, child, entry);
	rcu_read_unlock();
}

/* --- a child comes, others go --- */

void lq_filter_hold(struct lq_shard *shard, struct sock *child, struct lq_request *entry)
{
	lq_held_hook(shard, child, entry);
	lq_listener_event(shard->lst, LISTENQ_EVENT_FILTER_HELD);
}

static void lq_held_drop(struct lq_listener *lst, struct lq_request *entry, u8 reason)
{
	struct lq_key key = {};

	lq_request_key(entry, &key);
	/* A refused one was counted when it was. */
	if (!(entry->flags & LQ_REQ_REFUSED)) {
		lq_listener_drop(lst, reason);
		trace_drop(lst, &key, reason);
	}
	lq_request_free(entry);
}

/* Process context: reset the child of @entry, which is in no queue any more, and free it. */
static void lq_held_reset(struct lq_listener *lst, struct lq_request *entry, u8 reason)
{
	lq_held_unhook(lst, entry->child);
	lq_child_reset(entry->child);
	lq_held_drop(lst, entry, reason);
}

static void lq_reap_shard(struct lq_shard *shard)
{
	struct lq_request *entry;

	for (;;) {
		spin_lock_bh(&shard->lock);
		entry = lq_core_filter_refused(shard->core);
		spin_unlock_bh(&shard->lock);
		if (!entry)
			return;
		lq_held_reset(shard->lst, entry, LISTENQ_DROP_FILTER_REFUSED);
		cond_resched();
	}
}

static void lq_reap(struct work_struct *work)
{
	struct lq_listener *lst = container_of(work, struct lq_listener, reaper);
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i)
		lq_reap_shard(shard);
}

/* A process such as ss -K owns the child's lock: leave it to the reaper. */
static bool lq_filter_evict_later(struct lq_shard *shard, struct lq_request *entry)
{
	struct lq_listener *lst = shard->lst;
	const bool counted = entry->flags & LQ_REQ_REFUSED;
	struct lq_key key = {};
	bool later;

	lq_request_key(entry, &key);
	spin_lock(&shard->lock);
	later = lq_core_filter_put_back(shard->core, entry);
	if (later)
		queue_work(lq_wq, &lst->reaper);
	spin_unlock(&shard->lock);
	if (later && !counted) {
		lq_listener_drop(lst, LISTENQ_DROP_FILTER_OVERFLOW);
		trace_drop(lst, &key, LISTENQ_DROP_FILTER_OVERFLOW);
	}
	return later;
}

void lq_filter_evict(struct lq_shard *shard, struct lq_request *list)
{
	struct lq_listener *lst = shard->lst;

	while (list) {
		struct lq_request *entry = list;
		struct sock *child = entry->child;

		list = entry->next;
		bh_lock_sock(child);
		if (sock_owned_by_user(child) && lq_filter_evict_later(shard, entry)) {
			bh_unlock_sock(child);
			continue;
		}
		lq_held_unhook_locked(lst, child);
		bh_unlock_sock(child);
		lq_child_reset(child);
		lq_held_drop(lst, entry, LISTENQ_DROP_FILTER_OVERFLOW);
	}
}

void lq_filter_drain(struct lq_listener *lst, struct lq_request *held)
{
	cancel_work_sync(&lst->reaper);
	while (held) {
		struct lq_request *entry = held;

		held = entry->next;
		lq_held_reset(lst, entry, LISTENQ_DROP_LISTENER_CLOSED);
		cond_resched();
	}
}

void lq_filter_init(struct lq_listener *lst)
{
	INIT_WORK(&lst->reaper, lq_reap);
}

/* --- setting and removing; lock_sock held --- */

static void lq_filter_use(struct lq_listener *lst, u8 filter)
{
	struct lq_shard *shard;
	u32 i;

	lst->filter = filter;
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		lq_core_filter_set(shard->core, filter);
		spin_unlock_bh(&shard->lock);
	}
}

static bool lq_filter_may_be_set(const struct lq_listener *lst)
{
	return lst->sk->sk_state == TCP_LISTEN && lst->filter == LQ_FILTER_NONE;
}

int lq_filter_set_name(struct lq_listener *lst, const char *name, size_t length)
{
	const int filter = lq_core_filter_find(name, length);

	if (!lq_filter_may_be_set(lst))
		return -EINVAL;
	if (filter < 0)
		return -ENOENT;
	lq_filter_use(lst, filter);
	return 0;
}

int lq_filter_set_program(struct lq_listener *lst, struct sock_fprog *code)
{
	struct bpf_prog *program;
	int err;

	if (!lq_filter_may_be_set(lst))
		return -EINVAL;
	err = bpf_prog_create_from_user(&program, code, NULL, false);
	if (err)
		return err;
	lst->filter_program = program;
	lq_filter_use(lst, LQ_FILTER_BPF);
	return 0;
}

/* All that it held can be accepted, even if that is more than the accept queue's limit. */
static void lq_filter_release(struct lq_shard *shard)
{
	struct lq_listener *lst = shard->lst;
	struct sock *sk = lst->sk;
	struct lq_request *entry;
	u32 now_us;

	for (;;) {
		spin_lock_bh(&shard->lock);
		entry = lq_core_filter_pop(shard->core);
		spin_unlock_bh(&shard->lock);
		if (!entry)
			return;
		lq_held_unhook(lst, entry->child);
		spin_lock_bh(&shard->lock);
		now_us = lq_now_us();
		trace_filter_pass(lst, entry, now_us - entry->stamp_us);
		lq_core_filter_admit(shard->core, entry, now_us);
		lq_ack_backlog_add(lst);
		spin_unlock_bh(&shard->lock);
		lq_listener_event(lst, LISTENQ_EVENT_FILTER_PASSED);
		lq_listener_event(lst, LISTENQ_EVENT_ESTABLISHED);
		READ_ONCE(sk->sk_data_ready)(sk);
	}
}

void lq_filter_remove(struct lq_listener *lst)
{
	struct lq_shard *shard;
	u32 i;

	if (lst->filter == LQ_FILTER_NONE)
		return;
	lq_filter_use(lst, LQ_FILTER_NONE);
	lq_for_each_shard(lst, shard, i)
		lq_filter_release(shard);
	lq_filter_forget(lst);
}

/* Nothing is held any more, so no callback runs the program. */
void lq_filter_forget(struct lq_listener *lst)
{
	lst->filter = LQ_FILTER_NONE;
	if (lst->filter_program)
		bpf_prog_destroy(lst->filter_program);
	lst->filter_program = NULL;
}
