// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a listener: attached to a sock, listening, stopped, detached.
 *
 *	socket() --> (no listener) --attach--> attached <--listen--+
 *	                                          |                |
 *	                                          +--listen--> listening
 *	TCP's listener       ---------------adopt------------> listening
 *	close(), connect(), back to TCP: detach        --stop--> attached
 *
 * TCP's listener and our queues open and close one after the other, with the sock's lock let go in
 * between: listen() opens the queues, then TCP listens, and listen() looks again what came of both.
 * When TCP's listener ends, by our doing or not, guard.c notices (lq_listener_ended()).
 *
 * A segment that is in flight meanwhile finds a closed core; one that found the listener before
 * detach keeps it until the end of its RCU read section.
 */
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "../compat/compat.h"
#include "../compat/listen_asked.h"
#include "child.h"
#include "cull.h"
#include "event.h"
#include "filter_set.h"
#include "grace.h"
#include "guard.h"
#include "heir.h"
#include "hook.h"
#include "listen.h"
#include "listener.h"
#include "net.h"
#include "ops.h"
#include "ports.h"
#include "reaper.h"
#include "registry.h"
#include "settings.h"
#include "shard.h"
#include "share.h"
#include "trace.h"

/* --- attach and detach --- */

static void lq_listener_end_work(struct work_struct *work);

static struct lq_listener *lq_listener_make(struct sock *sk)
{
	struct lq_listener *lst = kzalloc(sizeof(*lst) + sizeof(struct lq_shard) + lq_core_size(),
					  GFP_KERNEL_ACCOUNT);

	if (!lst)
		return NULL;
	lst->orig_af_ops = inet_csk(sk)->icsk_af_ops;
	lst->af_ops = *lst->orig_af_ops;
	lst->af_ops.conn_request = lq_conn_request;
	lst->af_ops.syn_recv_sock = lq_syn_recv_sock;
	lst->adopted = lq_ulp_is_on(sk);
	lst->sk = sk;
	lst->lqn = lq_net(sock_net(sk));
	refcount_set(&lst->refs, 1);
	RB_CLEAR_NODE(&lst->node);
	mutex_init(&lst->control);
	spin_lock_init(&lst->settings_lock);
	INIT_WORK(&lst->end_work, lq_listener_end_work);
	lst->overrides = lq_follow_all;
	lq_reaper_init(lst);
	lq_cull_init(lst);
	lq_share_init(lst);
	lst->keys = lst->lqn->keys;
	get_random_bytes(lst->keys.table, sizeof(lst->keys.table));
	lst->shard_count = 1;
	lq_shard_init(lq_first_shard(lst), lst);
	return lst;
}

struct lq_listener *lq_listener_attach(struct sock *sk)
{
	struct lq_listener *lst = lq_listener_owned(sk);

	if (lst)
		return lst;
	if (sk->sk_state != TCP_CLOSE)
		return ERR_PTR(-EISCONN);
	lst = lq_listener_make(sk);
	if (!lst)
		return ERR_PTR(-ENOMEM);
	if (lq_owners_add(lst)) {
		lq_listener_put(lst);
		return ERR_PTR(-ENOMEM);
	}
	smp_store_release(&inet_csk(sk)->icsk_af_ops, &lst->af_ops);
	return lst;
}

void lq_listener_detach_locked(struct lq_listener *lst)
{
	struct sock *sk = lst->sk;

	/* It only tries for the locks that we have; and does this itself, in the end. */
	if (lst->release.work.func && !lst->released)
		cancel_delayed_work_sync(&lst->release);
	mutex_lock(&lst->control);
	lq_listener_stop_locked(lst);
	mutex_unlock(&lst->control);
	if (lq_listener_of(sk) == lst)
		WRITE_ONCE(inet_csk(sk)->icsk_af_ops, lst->orig_af_ops);
	lq_owners_remove(lst);
}

void lq_listener_drop_owner(struct lq_listener *lst)
{
	if (lst->hooked)
		lq_hooks_put();
	lq_listener_put(lst);
}

/* --- listen() --- */

/* lst->control held: the queues open, and segments find them. */
static int lq_listener_open_locked(struct lq_listener *lst)
{
	int err;

	if (lst->listening)
		return 0;
	err = lq_shards_open(lst);
	if (err)
		return err;
	err = lq_ports_add(&lst->lqn->ports, lst);
	if (err) {
		lq_shards_close(lst, NULL);
		return err;
	}
	WRITE_ONCE(lst->listening, true);
	lq_net_list(lst);
	return 0;
}

/* An unbound socket gets its port now, as inet_csk_listen_start() would do: segments are found by it. */
static int lq_listener_bind(struct sock *sk)
{
	struct inet_sock *inet = inet_sk(sk);

	if (inet->inet_num)
		return 0;
	if (sk->sk_prot->get_port(sk, 0))
		return -EADDRINUSE;
	inet->inet_sport = htons(inet->inet_num);
	return 0;
}

/* lock_sock held: everything that can fail before the sock listens. */
static int lq_listener_prepare(struct socket *sock, int backlog, int asked)
{
	struct sock *sk = sock->sk;
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
	err = lq_listener_bind(sk);
	if (err)
		return err;
	mutex_lock(&lst->control);
	if (READ_ONCE(lst->ended))
		lq_listener_stop_locked(lst);
	lq_listener_set_backlog(lst, backlog, asked);
	err = lq_listener_open_locked(lst);
	mutex_unlock(&lst->control);
	return err;
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

/* lst->control held: all is in its place. */
static void lq_listener_serve_locked(struct lq_listener *lst, int asked)
{
	struct listenq_info info;

	WRITE_ONCE(lst->serving, true);
	lq_grace_take_over(lst);
	trace_listen(lst, asked);
	lq_listener_info(lst, &info);
	lq_event_listen(lst, &info);
}

/*
 * lock_sock and lst->control held: TCP's listen() is done, and returned @err. Takes *guard. Others
 * may have ended what this call began, or begun what it ended.
 */
static int lq_listener_finish_locked(struct lq_listener *lst, struct lq_guard **guard, int asked,
				     int err)
{
	struct sock *sk = lst->sk;
	int failed;

	if (sk->sk_state != TCP_LISTEN) {
		lq_listener_stop_locked(lst);
		return err;
	}
	if (READ_ONCE(lst->ended))
		lq_listener_stop_locked(lst);
	failed = lq_listener_open_locked(lst);
	if (!lst->guard) {
		lq_guard_place(lst, *guard);
		*guard = NULL;
	}
	if (err || failed)
		return err ? : failed;
	lq_listener_apply(lst); /* TCP's listen() had the limits of before */
	if (!lst->adopted)
		lq_listener_no_tcp_cookies(sk);
	lq_listener_serve_locked(lst, asked);
	lq_ulp_off(sk); /* who connects it now has to end the listener before: guard.c */
	return 0;
}

static int lq_listener_listen_owned(struct socket *sock, int backlog, int asked)
{
	struct sock *sk = sock->sk;
	struct lq_net *lqn = lq_net(sock_net(sk));
	struct lq_listener *lst;
	struct lq_guard *guard;
	bool hooked = false;
	int err;

	err = lq_hooks_get(lqn);
	if (err)
		return err;
	lock_sock(sk);
	if (!lq_ops_are_ours(sock)) { /* connect() was faster */
		release_sock(sk);
		lq_hooks_put();
		return lq_orig_ops(sk)->listen(sock, backlog);
	}
	err = lq_listener_prepare(sock, backlog, asked);
	lst = lq_listener_owned(sk);
	guard = err ? NULL : lq_guard_alloc(lst);
	if (!err && !guard)
		err = -ENOMEM;
	if (lst) {
		refcount_inc(&lst->refs);
		backlog = READ_ONCE(lst->limits.accept_limit) - 1; /* applied once more when it listens */
	}
	if (!err && !lst->hooked)
		hooked = lst->hooked = true; /* until detach */
	release_sock(sk);
	if (!hooked)
		lq_hooks_put();

	if (!err)
		err = lq_orig_ops(sk)->listen(sock, backlog);
	if (!lst)
		return err;

	lock_sock(sk);
	if (lq_listener_owned(sk) == lst) {
		mutex_lock(&lst->control);
		err = lq_listener_finish_locked(lst, &guard, asked, err);
		mutex_unlock(&lst->control);
	}
	release_sock(sk);
	lq_guard_free(guard);
	lq_listener_put(lst);
	return err;
}

int lq_listener_listen(struct socket *sock, int backlog)
{
	const int asked = lq_compat_listen_asked(backlog);
	int err;

	__module_get(THIS_MODULE); /* connect() in another thread may end the socket's reference */
	err = lq_listener_listen_owned(sock, backlog, asked);
	module_put(THIS_MODULE);
	return err;
}

/* --- TCP's listener becomes ours --- */

/*
 * The queues are open, and segments find them, before TCP calls our functions: else an ACK could come
 * for a request of ours, and be TCP's.
 */
static int lq_listener_take_over(struct lq_listener *lst, struct lq_guard *guard)
{
	struct sock *sk = lst->sk;
	const int backlog = READ_ONCE(sk->sk_max_ack_backlog);
	int err;

	mutex_lock(&lst->control);
	lq_listener_set_backlog(lst, backlog, backlog);
	err = lq_listener_open_locked(lst);
	if (!err) {
		smp_store_release(&inet_csk(sk)->icsk_af_ops, &lst->af_ops);
		lq_guard_place(lst, guard);
		lq_listener_apply(lst);
		lq_listener_serve_locked(lst, backlog);
	}
	mutex_unlock(&lst->control);
	return err;
}

/*
 * tcp_set_ulp() is done, and what it wrote goes again. A sockmap that has the socket changes nothing
 * in it meanwhile: where it finds a ULP it would write into tables of its own. If TCP's listener ended
 * before, the ULP is to stay (lq_listener_ended()).
 */
static void lq_listener_door_locked(struct lq_listener *lst)
{
	struct sock *sk = lst->sk;

	lq_ulp_off(sk);
	lq_compat_sockmap_put(sk, lst->sockmap);
	if (sk->sk_state != TCP_LISTEN && !sock_flag(sk, SOCK_DEAD))
		lq_ulp_on(sk);
}

/* It tries for the lock, which a user can hold, and holds the listener, its sock and the module. */
static void lq_listener_door(struct work_struct *work)
{
	struct lq_listener *lst = container_of(to_delayed_work(work), struct lq_listener, door);
	bool done;

	spin_lock_bh(&lst->sk->sk_lock.slock);
	done = !sock_owned_by_user(lst->sk);
	if (done)
		lq_listener_door_locked(lst);
	spin_unlock_bh(&lst->sk->sk_lock.slock);
	if (!done) {
		queue_delayed_work(lq_wq, &lst->door, lst->door_delay);
		lst->door_delay = min_t(unsigned long, 2 * lst->door_delay, HZ);
		return;
	}
	lq_listener_release(lst);
	module_put(THIS_MODULE); /* lq_exit() waits for what the workqueue runs */
}

int lq_listener_adopt(struct sock *sk)
{
	struct lq_listener *lst = lq_listener_make(sk);
	struct lq_guard *guard = lst ? lq_guard_alloc(lst) : NULL;
	int err = guard ? lq_owners_add(lst) : -ENOMEM;

	if (err)
		goto put;
	lst->adopted = true;
	lst->hooked = true;
	err = lq_listener_take_over(lst, guard);
	if (err)
		goto remove;
	lst->sockmap = lq_compat_sockmap_hold(sk);
	refcount_inc(&lst->refs);
	sock_hold(sk);
	__module_get(THIS_MODULE);
	lst->door_delay = 1;
	INIT_DELAYED_WORK(&lst->door, lq_listener_door);
	queue_delayed_work(lq_wq, &lst->door, 0);
	return 0;

remove:
	lq_owners_remove(lst);
put:
	lq_guard_free(guard);
	lq_listener_put(lst);
	return err;
}

/* --- the ways out --- */

/*
 * After the queues were closed: who put a connection there may still be about to queue feed.c's work,
 * a segment or the reaper, which was waited for.
 */
static void lq_listener_unfeed(struct lq_listener *lst)
{
	if (!lst->feed.work.func)
		return;
	synchronize_rcu();
	cancel_delayed_work_sync(&lst->feed);
}

/* @brought: the sock ends, too, and lock_sock is held. */
static void lq_listener_stop_and(struct lq_listener *lst, bool brought)
{
	struct lq_event stopped = { .type = LISTENQ_EVENT_TYPE_LISTENER_STOPPED };
	const bool served = lst->serving;
	bool others, parks;

	WRITE_ONCE(lst->ended, false);
	WRITE_ONCE(lst->serving, false);
	WRITE_ONCE(lst->feeding, false);
	WRITE_ONCE(lst->draining, false);
	if (!lst->listening)
		return;
	parks = served && lq_grace_begin(lst);
	lq_heirs_leaving(lst);
	others = lq_ports_leave(&lst->lqn->ports, lst);
	WRITE_ONCE(lst->listening, false);
	lq_net_unlist(lst, others);

	trace_close(lst);
	lq_listener_info(lst, &stopped.info);
	lq_heirs_begin(lst, others, parks);
	lq_shards_close(lst, &stopped.info);
	if (brought)
		lq_brought_orphaned(lst);
	if (others)
		lq_net_unlisted(lst);
	if (parks)
		lq_grace_filled(lst);
	lq_heirs_left(lst);
	lq_ports_remove(&lst->lqn->ports, lst);
	lq_listener_unfeed(lst);
	if (lst->announced)
		lq_event_send(lst, &stopped, GFP_KERNEL);
	lst->announced = false;
	lq_filter_forget(lst);
}

void lq_listener_stop_locked(struct lq_listener *lst)
{
	lq_listener_stop_and(lst, false);
}

void lq_listener_stop(struct sock *sk)
{
	struct lq_listener *lst;

	lock_sock(sk);
	lst = lq_listener_owned(sk);
	if (lst) {
		mutex_lock(&lst->control);
		lq_listener_stop_and(lst, true);
		mutex_unlock(&lst->control);
	}
	release_sock(sk);
}

static void lq_listener_end_work(struct work_struct *work)
{
	struct lq_listener *lst = container_of(work, struct lq_listener, end_work);
	struct sock *sk = lst->sk;

	mutex_lock(&lst->control);
	/* listen() may have been faster, and have begun anew. */
	if (READ_ONCE(lst->ended))
		lq_listener_stop_locked(lst);
	mutex_unlock(&lst->control);
	lq_listener_put(lst);
	sock_put(sk);
}
