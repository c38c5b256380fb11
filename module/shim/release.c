// SPDX-License-Identifier: GPL-2.0
/*
 * A socket of ours becomes TCP's again (LQ_RELEASE), in every pointer.
 *
 * One that listens lets SYNs of new connections pass from then on (lq_syn_released()), and goes on to
 * answer for what it has. A work looks until nothing is left, and the socket changes hands under
 * lock_sock: guard, listener, operations. Whoever waits in our accept() begins it anew there.
 *
 * The work never waits for lock_sock, which a user can hold for as long as he likes: it tries, and
 * comes again. It holds the socket's file meanwhile, so that close() comes before or after:
 * __sock_release() remembers the owner of the operations that it found.
 */
#include <linux/module.h>
#include <linux/sched/signal.h>

#include "../compat/compat.h"
#include "clock.h"
#include "guard.h"
#include "leave.h"
#include "listen.h"
#include "listener.h"
#include "ops.h"
#include "release.h"
#include "shard.h"

/* How often it is looked, seldomer the longer it takes: there may be many that nobody empties. */
#define LQ_RELEASE_DELAY_MIN (HZ / 50)
#define LQ_RELEASE_DELAY_MAX HZ

/* lock_sock(), if nobody has it: release_sock() gives it back. */
static bool lq_lock_sock_try(struct sock *sk)
{
	bool free;

	spin_lock_bh(&sk->sk_lock.slock);
	free = !sk->sk_lock.owned;
	if (free)
		sk->sk_lock.owned = 1;
	spin_unlock_bh(&sk->sk_lock.slock);
	if (free)
		mutex_acquire(&sk->sk_lock.dep_map, 0, 1, _RET_IP_);
	return free;
}

/* Whether nothing is lost if @lst closes. */
static bool lq_release_drained(struct lq_listener *lst)
{
	struct lq_shard *shard;
	bool drained = true;
	u32 i;

	if (!READ_ONCE(lst->listening))
		return true;
	/* Until then a SYN may be on its way that found us not releasing. */
	if (!poll_state_synchronize_rcu(lst->release_grace))
		return false;
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		lq_shard_accept_done_locked(shard);
		drained &= lq_core_is_drained(shard->core, lq_now_s());
		spin_unlock_bh(&shard->lock);
	}
	return drained;
}

/*
 * lock_sock held, somebody has the file: @sock is TCP's. lq_release_done() afterwards, without the
 * lock, with the listener that it had, or NULL.
 */
static struct lq_listener *lq_release_locked(struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct lq_listener *lst = lq_listener_owned(sk);

	if (lst) {
		lq_guard_remove(lst);
		lq_listener_detach_locked(lst);
		WRITE_ONCE(sk->sk_max_ack_backlog, READ_ONCE(lst->backlog));
	}
	__module_get(lq_orig_ops(sk)->owner);
	WRITE_ONCE(sock->ops, lq_orig_ops(sk));
	lq_ulp_off(sk);
	wake_up_interruptible_all(sk_sleep(sk));
	return lst;
}

static void lq_release_done(const struct socket *sock, struct lq_listener *lst)
{
	if (lst)
		lq_listener_drop_owner(lst);
	lq_left_one(sock);
}

/* True: there is no more to do. */
static bool lq_release_try(struct lq_listener *lst)
{
	struct sock *sk = lst->sk;
	struct file *file = NULL;
	struct socket *sock;
	bool over;

	if (!lq_release_drained(lst) || !lq_lock_sock_try(sk))
		return false;
	sock = sk->sk_socket;
	if (sock && lq_ops_are_ours(sock) && READ_ONCE(lst->releasing))
		file = lq_compat_get_file(sock);
	over = !file;
	/* Under the lock, too: what was seen without it may be a life of the listener's that is over. */
	if (file && lq_release_drained(lst)) {
		lst->released = true; /* detach is not to wait for this work */
		lq_release_locked(sock);
		over = true;
	}
	release_sock(sk);
	if (over && file)
		lq_release_done(sock, lst);
	if (file)
		fput(file);
	return over;
}

static void lq_release_work(struct work_struct *work)
{
	struct lq_listener *lst = container_of(to_delayed_work(work), struct lq_listener, release);
	const unsigned long took = jiffies - READ_ONCE(lst->release_began);

	if (READ_ONCE(lst->releasing) && !lq_release_try(lst))
		queue_delayed_work(lq_wq, &lst->release,
				   clamp_t(unsigned long, took / 4, LQ_RELEASE_DELAY_MIN,
					   LQ_RELEASE_DELAY_MAX));
}

/* lock_sock held, @lst listens. */
static void lq_release_begin_locked(struct lq_listener *lst, bool on)
{
	mutex_lock(&lst->control);
	if (!lst->release.work.func)
		INIT_DELAYED_WORK(&lst->release, lq_release_work);
	if (on && !lst->releasing) {
		WRITE_ONCE(lst->releasing, true);
		lst->release_grace = start_poll_synchronize_rcu();
		WRITE_ONCE(lst->release_began, jiffies);
		queue_delayed_work(lq_wq, &lst->release, 1);
	} else if (!on) {
		WRITE_ONCE(lst->releasing, false);
	}
	mutex_unlock(&lst->control);
}

int lq_release_set(struct socket *sock, bool on)
{
	struct sock *sk = sock->sk;
	struct lq_listener *lst;
	bool done = false;
	int err = 0;

	lock_sock(sk);
	lst = lq_listener_owned(sk);
	if (!lq_ops_are_ours(sock)) {
		err = -ENOPROTOOPT; /* connect() was faster, or the work */
	} else if (lst && READ_ONCE(lst->listening) && sk->sk_state == TCP_LISTEN) {
		lq_release_begin_locked(lst, on);
	} else if (on) {
		lst = lq_release_locked(sock);
		done = true;
	}
	release_sock(sk);
	if (done)
		lq_release_done(sock, lst);
	return err;
}
