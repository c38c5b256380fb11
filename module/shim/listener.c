// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a listener: attached to a sock, listening, stopped, detached.
 *
 *	socket() --> (no listener) --attach--> attached <--listen--+
 *	                                          |                |
 *	                                          +--listen--> listening
 *	release(), or connect() succeeded: detach      --stop--> attached
 *
 * Stop is every way out of LISTEN: close, shutdown(SHUT_RD) and
 * connect(AF_UNSPEC). A segment that is in flight meanwhile finds a closed
 * core; one that found the listener before detach keeps it until the end of
 * its RCU read section.
 */
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "listenq.h"
#include "trace.h"

#include "../compat/listen_asked.h"

const struct lq_overrides lq_follow_all = {
	.shards = LQ_FOLLOW,
	.policy = LQ_FOLLOW,
	.max_syn_backlog = LQ_FOLLOW,
	.abort_on_overflow = LQ_FOLLOW,
	.synack_retries = LQ_FOLLOW,
	.syncookies = LQ_FOLLOW,
};

static atomic64_t lq_next_id = ATOMIC64_INIT(0);

/* --- shards --- */

/* @shard: zeroed memory, with room for a core behind it. */
static void lq_shard_init(struct lq_shard *shard, struct lq_listener *lst)
{
	/* sizeof() is a multiple of 8, as the core's alignment asks. */
	BUILD_BUG_ON(sizeof(*shard) % 8);
	shard->lst = lst;
	spin_lock_init(&shard->lock);
	lq_timer_init(shard);
	shard->core = lq_core_init(shard + 1, &lst->keys);
}

static void lq_shards_free(struct lq_shard **shards, u32 count)
{
	u32 i;

	for (i = 0; shards && i < count; i++)
		kfree(shards[i]);
	kfree(shards);
}

/* lock_sock held, before the sock listens for the first time. -ENOMEM: nothing changed. */
static int lq_listener_shard(struct lq_listener *lst, u32 asked, const struct lq_limits *limits)
{
	const u32 count = lq_core_shards(limits, asked ? : min_t(u32, num_online_cpus(),
								   LQ_MAX_SHARDS));
	struct lq_shard **more;
	u32 i;

	if (count > 1) {
		more = kcalloc(count - 1, sizeof(*more), GFP_KERNEL_ACCOUNT);
		for (i = 0; more && i < count - 1; i++) {
			more[i] = kzalloc(sizeof(*more[i]) + lq_core_size(), GFP_KERNEL_ACCOUNT);
			if (!more[i])
				break;
			lq_shard_init(more[i], lst);
		}
		if (!more || i < count - 1) {
			lq_shards_free(more, count - 1);
			return -ENOMEM;
		}
		lst->more_shards = more;
		/* Whoever reads them without a lock has seen the sock listen first. */
		lst->shard_count = count;
	}
	lst->sharded = true;
	return 0;
}

void lq_listener_state(const struct lq_listener *lst, struct lq_listener_state *state)
{
	struct lq_listener_state one;
	struct lq_shard *shard;
	u32 i;

	memset(&state->info, 0, sizeof(state->info));
	memset(&one.info, 0, sizeof(one.info));
	lq_for_each_shard(lst, shard, i) {
		struct lq_listener_state *to = i == 0 ? state : &one;

		spin_lock_bh(&shard->lock);
		lq_core_info(shard->core, &to->info);
		lq_core_counters(shard->core, &to->counters);
		to->accept_oldest_us = lq_core_accept_oldest_us(shard->core, lq_now_us());
		spin_unlock_bh(&shard->lock);
		if (i == 0)
			continue;
		lq_core_info_add(&state->info, &one.info);
		lq_core_counters_add(&state->counters, &one.counters);
		state->accept_oldest_us = max(state->accept_oldest_us, one.accept_oldest_us);
	}
}

void lq_listener_info(const struct lq_listener *lst, struct listenq_info *info)
{
	struct listenq_info one = {};
	struct lq_shard *shard;
	u32 i;

	memset(info, 0, sizeof(*info));
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		lq_core_info(shard->core, i == 0 ? info : &one);
		spin_unlock_bh(&shard->lock);
		if (i > 0)
			lq_core_info_add(info, &one);
	}
}

/* --- attach --- */

struct lq_listener *lq_listener_attach(struct sock *sk)
{
	struct lq_listener *lst = lq_listener_of(sk);

	if (lst)
		return lst;
	if (sk->sk_state != TCP_CLOSE)
		return ERR_PTR(-EISCONN);
	lst = kzalloc(sizeof(*lst) + sizeof(struct lq_shard) + lq_core_size(),
		      GFP_KERNEL_ACCOUNT);
	if (!lst)
		return ERR_PTR(-ENOMEM);
	lst->orig_af_ops = inet_csk(sk)->icsk_af_ops;
	lst->af_ops = *lst->orig_af_ops;
	lst->af_ops.conn_request = lq_conn_request;
	lst->af_ops.syn_recv_sock = lq_syn_recv_sock;
	lst->sk = sk;
	lst->lqn = lq_net(sock_net(sk));
	lst->attached = true;
	refcount_set(&lst->refs, 1);
	lst->overrides = lq_follow_all;
	lq_filter_init(lst);
	get_random_bytes(&lst->keys, sizeof(lst->keys));
	lst->shard_count = 1;
	lq_shard_init(lq_first_shard(lst), lst);
	lq_proto_take(sk);
	smp_store_release(&inet_csk(sk)->icsk_af_ops, &lst->af_ops);
	return lst;
}

/* --- settings --- */

/* What the socket fixed, or else the namespace's sysctl. */
#define LQ_SETTING(lst, lqn, name) \
	((lst)->overrides.name == LQ_FOLLOW ? READ_ONCE((lqn)->sysctls.name) : (lst)->overrides.name)

void lq_overrides_set(struct lq_listener *lst, const struct lq_overrides *to)
{
	WRITE_ONCE(lst->overrides.shards, to->shards);
	WRITE_ONCE(lst->overrides.policy, to->policy);
	WRITE_ONCE(lst->overrides.max_syn_backlog, to->max_syn_backlog);
	WRITE_ONCE(lst->overrides.abort_on_overflow, to->abort_on_overflow);
	WRITE_ONCE(lst->overrides.synack_retries, to->synack_retries);
	WRITE_ONCE(lst->overrides.syncookies, to->syncookies);
}

static void lq_listener_config(const struct lq_listener *lst, struct lq_config *config)
{
	const struct inet_connection_sock *icsk = inet_csk(lst->sk);
	const struct net *net = sock_net(lst->sk);
	const struct lq_net *lqn = lq_net(net);
	const u8 syncnt = READ_ONCE(icsk->icsk_syn_retries);

	*config = (struct lq_config) {
		.hz = HZ,
		.policy = LQ_SETTING(lst, lqn, policy),
		.max_syn_backlog = LQ_SETTING(lst, lqn, max_syn_backlog),
		.abort_on_overflow = LQ_SETTING(lst, lqn, abort_on_overflow),
		.synack_retries = LQ_SETTING(lst, lqn, synack_retries),
		.syncookies = LQ_SETTING(lst, lqn, syncookies),
		.syncookie_pause = READ_ONCE(lqn->sysctls.syncookie_pause),
		.synack_timeout_ms = READ_ONCE(lqn->sysctls.synack_timeout_ms),
		.oow_ratelimit_ms =
			jiffies_to_msecs(READ_ONCE(net->ipv4.sysctl_tcp_invalid_ratelimit)),
		.defer_accept = READ_ONCE(icsk->icsk_accept_queue.rskq_defer_accept),
		.backlog = lst->backlog,
		.somaxconn = READ_ONCE(net->core.sysctl_somaxconn),
		.soacceptqueue = READ_ONCE(lqn->sysctls.soacceptqueue),
		.filter_timeout_ms = READ_ONCE(lqn->sysctls.filter_timeout_ms),
		.backlog_asked = lst->backlog_asked,
	};
	/* TCP_SYNCNT is of this socket, too: more particular than a sysctl. */
	if (syncnt && lst->overrides.synack_retries == LQ_FOLLOW)
		config->synack_retries = syncnt;
}

/* The part of @limits that shard @index has; *share: the same of @config. */
static struct lq_limits lq_shard_limits(const struct lq_listener *lst,
					const struct lq_limits *limits,
					const struct lq_config *config, struct lq_config *share,
					u32 index)
{
	struct lq_limits part = *limits;

	*share = *config;
	lq_core_share(share, &part, lst->shard_count, index);
	return part;
}

/* Buckets of the SYN queue that are emptied or moved under one hold of a shard's lock. */
#define LQ_BUCKETS_AT_ONCE 512

/* lq_core_listen() replaced a table. */
static void lq_shard_rehash(struct lq_shard *shard)
{
	void *table;

	do {
		cond_resched();
		spin_lock_bh(&shard->lock);
		table = lq_core_rehash(shard->core, LQ_BUCKETS_AT_ONCE);
		spin_unlock_bh(&shard->lock);
	} while (!table);
	kvfree(table);
}

/*
 * Take @config with new limits. The SYN queues' tables are replaced when their size
 * changes: -ENOMEM leaves everything as it was.
 */
static int lq_listener_resize(struct lq_listener *lst, const struct lq_config *config)
{
	void *tables[LQ_MAX_SHARDS];
	struct lq_limits limits, part;
	struct lq_config share;
	struct lq_shard *shard;
	bool replace, rehash;
	u32 i;

	lq_core_limits(config, &limits);
	if (!lst->sharded &&
	    lq_listener_shard(lst, LQ_SETTING(lst, lst->lqn, shards), &limits))
		return -ENOMEM;
	replace = !lst->listening || limits.syn_buckets != lst->limits.syn_buckets;
	memset(tables, 0, sizeof(tables));
	for (i = 0; replace && i < lst->shard_count; i++) {
		part = lq_shard_limits(lst, &limits, config, &share, i);
		tables[i] = kvcalloc(part.syn_buckets, sizeof(struct lq_request *),
				     GFP_KERNEL_ACCOUNT);
		if (!tables[i]) {
			while (i-- > 0)
				kvfree(tables[i]);
			return -ENOMEM;
		}
	}
	lq_for_each_shard(lst, shard, i) {
		part = lq_shard_limits(lst, &limits, config, &share, i);
		spin_lock_bh(&shard->lock);
		rehash = lq_core_listen(shard->core, &share, &part, tables[i]);
		lq_filter_changed_locked(shard);
		spin_unlock_bh(&shard->lock);
		if (rehash)
			lq_shard_rehash(shard);
	}
	lst->limits = limits;
	return 0;
}

int lq_listener_reconfigure(struct lq_listener *lst)
{
	struct lq_config config;
	int err;

	if (!lst->listening)
		return 0; /* listen() will look */
	lq_listener_config(lst, &config);
	err = lq_listener_resize(lst, &config);
	if (!err)
		WRITE_ONCE(lst->sk->sk_max_ack_backlog, lst->limits.accept_limit - 1);
	return err;
}

/* --- the listeners of a network namespace --- */

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

/* The first listener after @id in @net, with a reference on its sock, or NULL. */
static struct sock *lq_net_next(struct lq_net *lqn, u64 *id)
{
	struct lq_listener *lst;
	struct sock *sk = NULL;

	spin_lock(&lqn->list_lock);
	for (lst = lq_net_first(lqn, *id + 1); lst; lst = lq_net_after(lst)) {
		if (refcount_inc_not_zero(&lst->sk->sk_refcnt)) {
			*id = lst->id;
			sk = lst->sk;
			break;
		}
	}
	spin_unlock(&lqn->list_lock);
	return sk;
}

void lq_net_reconfigure(struct net *net)
{
	struct lq_net *lqn = lq_net(net);
	struct sock *sk;
	u64 id = 0;

	while ((sk = lq_net_next(lqn, &id))) {
		struct lq_listener *lst;

		lock_sock(sk);
		lst = lq_listener_of(sk);
		if (lst)
			lq_listener_reconfigure(lst);
		release_sock(sk);
		sock_put(sk);
	}
}

/* --- listen() --- */

static void lq_listener_start(struct lq_listener *lst)
{
	struct lq_net *lqn = lq_net(sock_net(lst->sk));

	mutex_lock(&lst->control);
	lst->listening = true;
	mutex_unlock(&lst->control);
	spin_lock(&lqn->list_lock);
	/* Under the lock, so that a dump meets the newest last. */
	WRITE_ONCE(lst->id, atomic64_inc_return(&lq_next_id));
	rb_add(&lst->node, &lqn->listeners, lq_id_less);
	lqn->listener_count++;
	lqn->generation++;
	spin_unlock(&lqn->list_lock);
}

/* lock_sock held: everything that can fail before the sock listens. */
static int lq_listener_prepare(struct socket *sock, int backlog, int asked)
{
	struct sock *sk = sock->sk;
	struct lq_config config;
	struct lq_listener *lst;
	int err;

	if (sock->state != SS_UNCONNECTED ||
	    !((1 << sk->sk_state) & (TCPF_CLOSE | TCPF_LISTEN)))
		return -EINVAL;
	if (lq_compat_has_auth_keys(sk))
		return -EOPNOTSUPP; /* our SYN-ACKs carry no signature */
	lst = lq_listener_attach(sk);
	if (IS_ERR(lst))
		return PTR_ERR(lst);
	lq_listener_config(lst, &config);
	config.backlog = backlog;
	config.backlog_asked = asked;
	err = lq_listener_resize(lst, &config);
	if (err)
		return err;
	WRITE_ONCE(lst->backlog, backlog); /* netlink reads it under list_lock */
	lst->backlog_asked = asked;
	if (!lst->listening)
		lq_listener_start(lst);
	return 0;
}

/*
 * receive.c looks only at ports that are known. The port may come with listen() itself: until
 * it is known, all are looked at.
 */
static void lq_ports_unknown(struct lq_net *lqn, int change)
{
	spin_lock(&lqn->list_lock);
	WRITE_ONCE(lqn->ports_unknown, lqn->ports_unknown + change);
	spin_unlock(&lqn->list_lock);
}

/* lock_sock held, the sock listens. */
static void lq_listener_port_add(struct lq_listener *lst)
{
	struct lq_net *lqn = lst->lqn;

	if (!hlist_unhashed_lockless(&lst->port_node))
		return;
	spin_lock(&lqn->list_lock);
	hlist_add_head_rcu(&lst->port_node,
			   &lqn->ports[lq_port_slot(inet_sk(lst->sk)->inet_sport)]);
	spin_unlock(&lqn->list_lock);
}

/* lock_sock held. */
static void lq_listener_port_remove(struct lq_listener *lst)
{
	if (hlist_unhashed_lockless(&lst->port_node))
		return;
	spin_lock(&lst->lqn->list_lock);
	hlist_del_init_rcu(&lst->port_node);
	spin_unlock(&lst->lqn->list_lock);
	lst->unlisted = true;
}

/*
 * TCP never sends cookies for a listener of ours, but would check those that come: it takes the
 * last overflow of a socket that had none for recent while jiffies, modulo 2^32, are near 0, first
 * 5 minutes after boot (tcp_synq_no_recent_overflow()).
 */
static void lq_listener_no_tcp_cookies(struct sock *sk)
{
	WRITE_ONCE(tcp_sk(sk)->rx_opt.ts_recent_stamp, (u32)jiffies - 2 * TCP_SYNCOOKIE_VALID);
}

/*
 * listen_mutex held. Segments that found the listener in its last life may still be on their way:
 * none may meet the core open again before the kernel's listen() sets sk_ack_backlog to 0, or walk
 * from one chain of lqn->ports into another.
 */
static void lq_listener_wait_for_readers(struct sock *sk)
{
	const struct lq_listener *lst;
	bool wait;

	lock_sock(sk);
	lst = lq_listener_of(sk);
	wait = lst && lst->unlisted;
	release_sock(sk);
	if (wait)
		synchronize_rcu();
}

/* listen_mutex held. */
static int lq_listener_listen_locked(struct socket *sock, int backlog)
{
	struct sock *sk = sock->sk;
	struct lq_net *lqn = lq_net(sock_net(sk));
	const int asked = lq_compat_listen_asked(backlog);
	struct lq_listener *lst;
	bool hooked = false;
	int err;

	err = lq_hooks_get(lqn);
	if (err)
		return err;
	lq_listener_wait_for_readers(sk);
	lock_sock(sk);
	err = lq_listener_prepare(sock, backlog, asked);
	lst = lq_listener_of(sk);
	if (!err && !lst->hooked)
		hooked = lst->hooked = true; /* until detach */
	if (!err)
		backlog = lst->limits.accept_limit - 1;
	release_sock(sk);
	if (!hooked)
		lq_hooks_put();
	if (err)
		return err;

	lq_ports_unknown(lqn, 1);
	err = lq_orig_ops(sk)->listen(sock, backlog);

	lock_sock(sk);
	lst = lq_listener_of(sk);
	if (lst && sk->sk_state == TCP_LISTEN) {
		lq_listener_port_add(lst);
		lst->unlisted = false;
	}
	lq_ports_unknown(lqn, -1);
	if (lst && sk->sk_state != TCP_LISTEN) {
		lq_listener_stop(lst);
	} else if (lst && !err) {
		lq_listener_no_tcp_cookies(sk);
		trace_listen(lst, asked);
		lq_event_listen(lst);
	}
	release_sock(sk);
	return err;
}

int lq_listener_listen(struct socket *sock, int backlog)
{
	struct lq_net *lqn = lq_net(sock_net(sock->sk));
	int err;

	mutex_lock(&lqn->listen_mutex);
	err = lq_listener_listen_locked(sock, backlog);
	mutex_unlock(&lqn->listen_mutex);
	return err;
}

/* --- the ways out --- */

static void lq_drop_closed(struct lq_listener *lst, struct lq_request *request)
{
	struct lq_key key = {};

	lq_request_key(request, &key);
	lq_listener_drop(lst, LISTENQ_DROP_LISTENER_CLOSED);
	trace_drop(lst, &key, LISTENQ_DROP_LISTENER_CLOSED);
	lq_request_free(request);
}

static void lq_listener_drain(struct lq_listener *lst, struct lq_drained *drained)
{
	struct request_sock_queue *queue = &inet_csk(lst->sk)->icsk_accept_queue;

	while (drained->requests) {
		struct lq_request *request = drained->requests;

		drained->requests = request->next;
		lq_drop_closed(lst, request);
	}
	while (drained->connections) {
		struct lq_request *entry = drained->connections;

		drained->connections = entry->next;
		spin_lock_bh(&queue->rskq_lock);
		sk_acceptq_removed(lst->sk);
		spin_unlock_bh(&queue->rskq_lock);
		lq_child_reset(entry->child);
		lq_drop_closed(lst, entry);
		cond_resched();
	}
}

/* @stopped: for the episodes that end with it. */
static void lq_shard_stop(struct lq_shard *shard, const struct listenq_info *stopped)
{
	struct lq_listener *lst = shard->lst;
	struct lq_drained drained;
	struct lq_event ended[2];
	int i, endings = 0;
	bool more;

	spin_lock_bh(&shard->lock);
	more = lq_core_close(shard->core, LQ_BUCKETS_AT_ONCE, &drained);
	/* An overflow and a time of cookies, at most. */
	while (endings < ARRAY_SIZE(ended) && lq_core_event(shard->core, &ended[endings]))
		ended[endings++].info = *stopped;
	spin_unlock_bh(&shard->lock);
	timer_delete_sync(&shard->timer);
	for (i = 0; lst->announced && i < endings; i++)
		lq_event_send(lst, &ended[i], GFP_KERNEL);
	lq_listener_drain(lst, &drained);
	lq_filter_drain(shard, drained.held);
	while (more) {
		cond_resched();
		spin_lock_bh(&shard->lock);
		more = lq_core_close(shard->core, LQ_BUCKETS_AT_ONCE, &drained);
		spin_unlock_bh(&shard->lock);
		lq_listener_drain(lst, &drained);
	}
	kvfree(drained.table);
}

void lq_listener_stop(struct lq_listener *lst)
{
	struct lq_event stopped = { .type = LISTENQ_EVENT_TYPE_LISTENER_STOPPED };
	struct lq_net *lqn = lq_net(sock_net(lst->sk));
	struct lq_shard *shard;
	u32 i;

	lq_listener_port_remove(lst);
	if (!lst->listening)
		return;
	/* A filter that was asked for until now is forgotten, and none can be set any more. */
	mutex_lock(&lst->control);
	lst->listening = false;
	spin_lock(&lqn->list_lock);
	rb_erase(&lst->node, &lqn->listeners);
	lqn->listener_count--;
	lqn->generation++;
	spin_unlock(&lqn->list_lock);

	trace_close(lst);
	lq_listener_info(lst, &stopped.info);
	lq_for_each_shard(lst, shard, i)
		lq_shard_stop(shard, &stopped.info);
	if (lst->announced)
		lq_event_send(lst, &stopped, GFP_KERNEL);
	lst->announced = false;
	lq_filter_forget(lst);
	mutex_unlock(&lst->control);
}

static void lq_listener_free_rcu(struct rcu_head *rcu)
{
	struct lq_listener *lst = container_of(rcu, struct lq_listener, rcu);

	lq_carrier_free(lst);
	lq_shards_free(lst->more_shards, lst->shard_count - 1);
	kfree(lst);
}

void lq_listener_put(struct lq_listener *lst)
{
	if (lst && refcount_dec_and_test(&lst->refs))
		call_rcu(&lst->rcu, lq_listener_free_rcu);
}

void lq_listener_detach(struct lq_listener *lst)
{
	struct sock *sk = lst->sk;
	bool attached, hooked;

	lock_sock(sk);
	attached = lst->attached;
	hooked = attached && lst->hooked;
	if (attached) {
		lq_listener_stop(lst);
		/* tcp_v6_connect() may have put others there. */
		if (lq_listener_of(sk) == lst)
			WRITE_ONCE(inet_csk(sk)->icsk_af_ops, lst->orig_af_ops);
		lq_proto_give_back(sk);
		lst->attached = false;
	}
	release_sock(sk);
	if (hooked)
		lq_hooks_put();
	if (attached)
		lq_listener_put(lst);
}
