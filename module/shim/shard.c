// SPDX-License-Identifier: GPL-2.0
/* The shards of a listener are made, opened, and closed with all that they hold. Process context. */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../compat/compat.h"
#include "clock.h"
#include "drop.h"
#include "event.h"
#include "guard.h"
#include "heir.h"
#include "listener.h"
#include "reaper.h"
#include "request.h"
#include "reset.h"
#include "settings.h"
#include "shard.h"
#include "synack.h"
#include "table.h"
#include "timer.h"

void lq_shard_init(struct lq_shard *shard, struct lq_listener *lst)
{
	/* sizeof() is a multiple of 8, as the core's alignment asks. */
	BUILD_BUG_ON(sizeof(*shard) % 8);
	shard->lst = lst;
	spin_lock_init(&shard->lock);
	lq_timer_init(shard);
	lq_table_init(shard);
	shard->core = lq_core_init(shard + 1, &lst->keys);
}

static struct lq_shard **lq_shards_alloc(struct lq_listener *lst, u32 count)
{
	struct lq_shard **shards = kcalloc(count, sizeof(*shards), GFP_KERNEL_ACCOUNT);
	u32 i;

	for (i = 0; shards && i < count; i++) {
		shards[i] = kzalloc(sizeof(*shards[i]) + lq_core_size(), GFP_KERNEL_ACCOUNT);
		if (!shards[i]) {
			lq_shards_free(shards, count);
			return NULL;
		}
		lq_shard_init(shards[i], lst);
	}
	return shards;
}

/* The first listen() decides how many there are. -ENOMEM: nothing changed. */
static int lq_shards_decide(struct lq_listener *lst)
{
	const u32 count = lq_core_shards(&lst->limits, lq_listener_shards_asked(lst));
	struct lq_shard **more = NULL;

	if (lst->sharded)
		return 0;
	if (count > 1) {
		more = lq_shards_alloc(lst, count - 1);
		if (!more)
			return -ENOMEM;
	}
	/* Settings take this lock, too; other readers have seen the sock listen first. */
	spin_lock_bh(&lst->settings_lock);
	lst->more_shards = more;
	lst->shard_count = count;
	spin_unlock_bh(&lst->settings_lock);
	WRITE_ONCE(lst->sharded, true);
	return 0;
}

int lq_shards_open(struct lq_listener *lst)
{
	struct lq_request **tables[LQ_MAX_SHARDS];
	u32 counts[LQ_MAX_SHARDS];
	struct lq_shard *shard;
	u32 i;

	if (lq_shards_decide(lst))
		return -ENOMEM;
	lq_listener_apply(lst);
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		counts[i] = lq_core_table_first(shard->core);
		spin_unlock_bh(&shard->lock);
		tables[i] = lq_table_alloc(counts[i], GFP_KERNEL_ACCOUNT);
		if (!tables[i]) {
			while (i-- > 0)
				kvfree(tables[i]);
			return -ENOMEM;
		}
	}
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		shard->timer_ran = jiffies;
		shard->grow_failed = jiffies - LQ_GROW_PAUSE;
		lq_core_open(shard->core, tables[i], counts[i]);
		spin_unlock_bh(&shard->lock);
	}
	return 0;
}

/* What ends with a listener: an overflow and a time of cookies, at most. */
#define LQ_ENDINGS 2

void lq_connection_orphaned(struct lq_listener *lst, struct lq_request *entry, u8 passed)
{
	struct sock *child = entry->child;
	bool taken = false;

	if (lq_heirs_are_there(lst)) {
		/* Once it is queued, accept() may take it, and its owner close it. */
		sock_hold(child);
		/* One of its own class, the listener's, may be held. */
		lock_sock_nested(child, SINGLE_DEPTH_NESTING);
		taken = lq_heir_take_locked(lst, entry, passed, entry->stamp_us);
		release_sock(child);
		sock_put(child);
	}
	if (taken)
		return;
	lq_child_reset(child);
	lq_drop_request(lst, entry, LISTENQ_DROP_LISTENER_CLOSED);
}

/* For a queue: @child, of which no more is known than whom it is connected to. NULL without memory. */
static struct lq_request *lq_entry_of_child(const struct lq_listener *lst, struct sock *child)
{
	struct lq_key key = { .peer_port = (__force u16)child->sk_dport };
	struct lq_request *entry;

#if IS_ENABLED(CONFIG_IPV6)
	if (child->sk_family == AF_INET6 && !ipv6_addr_v4mapped(&child->sk_v6_daddr)) {
		key.v6 = true;
		memcpy(key.addr, &child->sk_v6_daddr, sizeof(struct in6_addr));
		memcpy(key.addr + 4, &child->sk_v6_rcv_saddr, sizeof(struct in6_addr));
	}
#endif
	if (!key.v6) {
		key.addr[0] = (__force u32)child->sk_daddr;
		key.addr[1] = (__force u32)child->sk_rcv_saddr;
	}
	entry = lq_request_alloc(lst->sk, key.v6);
	if (!entry)
		return NULL;
	memset(entry, 0, offsetof(struct lq_request, addr));
	entry->flags = key.v6 ? LQ_REQ_V6 : 0;
	entry->peer_port = key.peer_port;
	entry->stamp_us = lq_now_us();
	entry->child = child;
	lq_request_set_addresses(entry, &key);
	return entry;
}

void lq_brought_orphaned(struct lq_listener *lst)
{
	struct request_sock_queue *queue = &inet_csk(lst->sk)->icsk_accept_queue;
	struct lq_shard *shard = lq_first_shard(lst);
	struct request_sock *first;
	struct lq_request *entry;

	if (!lq_heirs_are_there(lst))
		return;
	/* Only who has lock_sock takes one off. A carrier has no family, TCP's own have one. */
	while ((first = READ_ONCE(queue->rskq_accept_head)) && !inet_rsk(first)->ireq_family) {
		entry = lq_entry_of_child(lst, first->sk);
		if (!entry)
			break;
		lq_compat_carrier_put(reqsk_queue_remove(queue, lst->sk));
		spin_lock_bh(&shard->lock);
		lq_core_count_drop(shard->core, LISTENQ_DROP_LISTENER_CLOSED);
		spin_unlock_bh(&shard->lock);
		lq_connection_orphaned(lst, entry, lst->filter);
	}
}

/* @entry waited for accept(). */
static void lq_shard_drain_connection(struct lq_listener *lst, struct lq_request *entry)
{
	struct request_sock_queue *queue = &inet_csk(lst->sk)->icsk_accept_queue;

	spin_lock_bh(&queue->rskq_lock);
	lq_ack_backlog_remove_locked(lst);
	spin_unlock_bh(&queue->rskq_lock);
	lq_connection_orphaned(lst, entry, lst->filter);
}

/* What a core that closes hands back goes to heirs, or ends; but for what filters hold. */
static void lq_shard_drain_requests(struct lq_listener *lst, struct lq_drained *drained)
{
	while (drained->requests) {
		struct lq_request *request = drained->requests;

		drained->requests = request->next;
		request->next = NULL;
		/* As a segment would be handled; each by itself, for the sake of other softirqs. */
		local_bh_disable();
		rcu_read_lock();
		if (!lq_heir_take_request(lst, request))
			lq_request_end(lst, request, LISTENQ_DROP_LISTENER_CLOSED);
		rcu_read_unlock();
		local_bh_enable();
	}
}

/*
 * A part of what is queued leaves the core. Requests that heirs may take are few: those whose ACK was at
 * them before, and gave up. The next ACK waits while they are in our hands.
 */
static bool lq_shard_close_part(struct lq_shard *shard, struct lq_drained *drained,
				struct lq_event *ended, u32 *endings)
{
	struct lq_listener *lst = shard->lst;
	const bool moves = lq_heirs_are_there(lst);
	bool more;

	local_bh_disable();
	if (moves)
		lq_heirs_moving(lst);
	spin_lock(&shard->lock);
	LQ_DEBUG_CHECK(lq_core_check(shard->core, LQ_CHECK_STEPS));
	more = lq_core_close(shard->core, LQ_STEPS_AT_ONCE, drained);
	LQ_DEBUG_CHECK(lq_core_check(shard->core, LQ_CHECK_STEPS));
	while (*endings < LQ_ENDINGS && lq_core_event(shard->core, &ended[*endings]))
		(*endings)++;
	spin_unlock(&shard->lock);
	if (moves) {
		lq_shard_drain_requests(lst, drained);
		lq_heirs_moved(lst);
	}
	local_bh_enable();
	return more;
}

static void lq_shard_drain(struct lq_listener *lst, struct lq_drained *drained)
{
	lq_shard_drain_requests(lst, drained);
	while (drained->connections) {
		struct lq_request *entry = drained->connections;

		drained->connections = entry->next;
		lq_shard_drain_connection(lst, entry);
		cond_resched();
	}
}

/* Nothing gets in any more; what is queued is reset, the SYN queue a part under each hold of the lock. */
static void lq_shard_close(struct lq_shard *shard, const struct listenq_info *stopped)
{
	struct lq_listener *lst = shard->lst;
	struct lq_event ended[LQ_ENDINGS];
	struct lq_drained drained;
	u32 i, endings = 0;
	bool more;

	more = lq_shard_close_part(shard, &drained, ended, &endings);
	/* Neither comes again: the core is closed. */
	timer_delete_sync(&shard->timer);
	cancel_work_sync(&shard->grow);
	/* Other shards may queue it again, until they close. */
	cancel_delayed_work_sync(&lst->cull);
	cancel_delayed_work_sync(&lst->share);

	for (i = 0; lst->announced && i < endings; i++) {
		ended[i].info = *stopped;
		lq_event_send(lst, &ended[i], GFP_KERNEL);
	}
	lq_shard_drain(lst, &drained);
	lq_filter_drain(shard, drained.held);
	while (more) {
		cond_resched();
		more = lq_shard_close_part(shard, &drained, ended, &endings);
		lq_shard_drain(lst, &drained);
	}
	kvfree(drained.table);
}

#ifdef LQ_DEBUG
void lq_core_broken(const char *what)
{
	LQ_DEBUG_CHECK(what);
}
#endif

/*
 * ACKs that were at it as it closed are building their children still, for heirs (LQ_COMMIT_CLOSED); of a
 * sock whose port is given back there are none (__inet_inherit_port()), and the peer would hear RST. So
 * the sock stays as it is until they are done: softirqs, which wait for nobody.
 */
static void lq_shard_wait_promotions(struct lq_shard *shard)
{
	u32 promoting;

	for (;;) {
		spin_lock_bh(&shard->lock);
		promoting = lq_core_promoting(shard->core);
		spin_unlock_bh(&shard->lock);
		if (!promoting)
			return;
		msleep(1);
	}
}

void lq_shards_close(struct lq_listener *lst, const struct listenq_info *stopped)
{
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i)
		lq_shard_close(shard, stopped);
	if (!lq_heirs_are_there(lst))
		return;
	lq_for_each_shard(lst, shard, i)
		lq_shard_wait_promotions(shard);
}
