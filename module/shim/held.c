// SPDX-License-Identifier: GPL-2.0
/*
 * A child that an accept filter holds: what TCP tells of it, and what becomes of
 * it then. TCP tells us through the child's own callbacks, which are ours
 * meanwhile; filter.c says when they may move on.
 *
 *	built --> held --data--> passes --> accept queue
 *	           |  |--FIN, full buffer--^  | no room
 *	           |  |                       v
 *	           |  |--too long, filter--> ready: the reaper queues it when
 *	           |  |  removed             accept() has made room
 *	           |  '--RST, timeout--> gone: freed here, when ready, too
 *	           |--BPF says drop----> refused: the reaper resets it
 *	           '--too many, close--> the evictor or stop() resets it
 *
 * A callback runs under the child's lock. It asks the core whether the child is
 * still held before it changes anything, and whoever frees an entry has put
 * the child's own callbacks back under the child's lock first: so no callback
 * ever sees a freed entry. Nor a listener that is gone: until then the entry is
 * in a queue, or in the hands of a work or an evictor, which lq_filter_drain() waits for. The
 * program that a callback runs is freed only after an RCU grace period.
 *
 * While a child is held its sk_user_data is ours: a BPF program that would put
 * it into a sockmap gets EBUSY. Its SO_RCVLOWAT is 1, as TCP tells of no less
 * than that; and its receive buffer does not grow, as by nothing but data in the
 * wrong order it would grow to the largest that TCP allows.
 */
#include <linux/filter.h>
#include <linux/skbuff.h>
#include <net/tcp.h>

#include "../compat/compat.h"
#include "clock.h"
#include "cull.h"
#include "drop.h"
#include "filter.h"
#include "guard.h"
#include "held.h"
#include "listener.h"
#include "net.h"
#include "request.h"
#include "shard.h"
#include "trace.h"

static void lq_held_data_ready(struct sock *child);
static void lq_held_state_change(struct sock *child);

/* --- the child's callbacks; its lock held --- */

void lq_held_hook(struct lq_shard *shard, struct sock *child, struct lq_request *entry)
{
	entry->owner = shard;
	entry->rcvlowat = child->sk_rcvlowat;
	WRITE_ONCE(child->sk_rcvlowat, 1);
	rcu_assign_sk_user_data(child, entry);
	WRITE_ONCE(child->sk_state_change, lq_held_state_change);
	WRITE_ONCE(child->sk_data_ready, lq_held_data_ready);
}

/* After a BPF program that is told of new connections: what it sets is the child's own. */
void lq_held_bound(struct sock *child, struct lq_request *entry)
{
	if (child->sk_data_ready != lq_held_data_ready)
		return;
	entry->filter.locked = SOCK_RCVBUF_LOCK & ~child->sk_userlocks;
	child->sk_userlocks |= SOCK_RCVBUF_LOCK;
}

/* Its own are the listener's, which it was cloned from. */
void lq_held_unhook(const struct lq_listener *lst, struct sock *child,
		    const struct lq_request *entry)
{
	if (child->sk_data_ready != lq_held_data_ready)
		return;
	WRITE_ONCE(child->sk_data_ready, READ_ONCE(lst->sk->sk_data_ready));
	WRITE_ONCE(child->sk_state_change, READ_ONCE(lst->sk->sk_state_change));
	rcu_assign_sk_user_data(child, NULL);
	if (child->sk_rcvlowat == 1)
		WRITE_ONCE(child->sk_rcvlowat, entry->rcvlowat);
	child->sk_userlocks &= ~entry->filter.locked;
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

/* RCU: the program lives as long as we look at it; there is none once the filter is removed. */
static enum lq_filter_verdict lq_held_program(const struct lq_listener *lst, struct sock *child,
					      struct lq_request *entry)
{
	const struct lq_program *program = rcu_dereference(lst->filter_program);
	const u32 there = tcp_sk(child)->rcv_nxt - tcp_sk(child)->copied_seq;
	const u32 length = min_t(u32, there, LISTENQ_BPF_LOOK);
	struct sk_buff *first;
	u32 said;

	if (!program || length == entry->filter_seen)
		return LQ_FILTER_WAIT;
	first = lq_held_first(child, length);
	if (!first)
		return LQ_FILTER_PASS; /* rather than wait for ever */
	entry->filter_seen = length;
	said = bpf_prog_run_save_cb(program->bpf, first);
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
	enum lq_passed passed;
	u32 now_us, waited_us;

	entry->filter.kind = LQ_FILTER_NONE; /* it is not asked again */
	spin_lock_bh(&shard->lock);
	now_us = lq_now_us();
	waited_us = now_us - entry->stamp_us;
	lq_shard_accept_done_locked(shard);
	passed = lq_core_filter_pass(shard->core, entry, now_us);
	if (passed == LQ_PASSED_QUEUED) {
		/* Before accept() can have it, which takes the lock. */
		lq_held_unhook(lst, child, entry);
		lq_ack_backlog_add(lst);
		lq_cull_watch_locked(shard);
		trace_filter_pass(lst, entry, waited_us);
	} else if (passed == LQ_PASSED_READY) {
		lq_filter_ready_locked(shard);
	}
	spin_unlock_bh(&shard->lock);
	if (passed != LQ_PASSED_QUEUED)
		return;
	lq_listener_event(lst, LISTENQ_EVENT_FILTER_PASSED);
	lq_listener_event(lst, LISTENQ_EVENT_ESTABLISHED);
	lq_listener_wake(lst);
}

/* TCP is done with the child: what tcp_done() does for one that nobody owns. */
static void lq_held_gone(struct lq_shard *shard, struct sock *child, struct lq_request *entry)
{
	struct lq_listener *lst = shard->lst;
	bool gone;

	spin_lock_bh(&shard->lock);
	gone = lq_core_filter_gone(shard->core, entry);
	spin_unlock_bh(&shard->lock);
	if (!gone)
		return;
	lq_held_unhook(lst, child, entry);
	lq_held_drop(lst, entry, LISTENQ_DROP_FILTER_GONE);
	sock_orphan(child);
	lq_compat_destroy(child);
}

static void lq_held_refuse(struct lq_shard *shard, struct lq_request *entry)
{
	struct lq_listener *lst = shard->lst;
	struct lq_key key = {};
	bool refused;

	/* The child is in the middle of a segment: resetting it has to wait. */
	entry->filter.kind = LQ_FILTER_NONE;
	lq_request_key(entry, &key);
	spin_lock_bh(&shard->lock);
	refused = lq_core_filter_refuse(shard->core, entry);
	if (refused)
		queue_work(lq_wq, &lst->reaper);
	spin_unlock_bh(&shard->lock);
	if (refused)
		lq_drop(lst, &key, LISTENQ_DROP_FILTER_REFUSED);
}

/*
 * Softirq, or process context when TCP's work was left to the owner of the
 * child's lock. RCU keeps the listener's sock while it is woken: once the entry
 * is on the accept queue, nothing else does.
 */
static void lq_held_data_ready(struct sock *child)
{
	enum lq_filter_verdict verdict = LQ_FILTER_WAIT;
	struct lq_request *entry;
	struct lq_shard *shard;

	rcu_read_lock();
	entry = rcu_dereference_sk_user_data(child);
	shard = entry->owner;
	if (entry->filter.kind == LQ_FILTER_NONE)
		goto unlock; /* it has decided */
	if (entry->filter.kind == LQ_FILTER_BPF)
		verdict = lq_held_program(shard->lst, child, entry);
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
		lq_held_refuse(shard, entry);
		break;
	}
unlock:
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

void lq_held_look(struct sock *child)
{
	lq_held_data_ready(child);
	if (child->sk_data_ready == lq_held_data_ready)
		lq_held_state_change(child);
}

void lq_held_drop(struct lq_listener *lst, struct lq_request *entry, u8 reason)
{
	/* A refused connection was counted when the filter refused it. */
	if (entry->flags & LQ_REQ_REFUSED)
		lq_request_free(entry);
	else
		lq_drop_request(lst, entry, reason);
}
