/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listener: what a socket of ours has while it listens. Its life is listen.h's; bridge/core.h has
 * the order of the locks and the owner of every reference.
 */
#ifndef LISTENQ_LISTENER_H
#define LISTENQ_LISTENER_H

#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rhashtable-types.h>
#include <linux/workqueue.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "../bridge/core.h"
#include "net.h"

struct bpf_prog;
struct lq_guard;
struct lq_parked;
struct lq_port;
struct lq_shard;

/* What setsockopt() fixed for one socket; LQ_FOLLOW: as the sysctl says. */
struct lq_overrides {
	s32 shards;
	s32 policy;
	s32 max_syn_backlog;
	s32 abort_on_overflow;
	s32 synack_retries;
	s32 syncookies;
#define LQ_X(NAME, name, low, high, initial) s32 name;
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
};

/* A BPF program of the user's. */
struct lq_program {
	struct rcu_head rcu;
	struct bpf_prog *bpf;
};

/*
 * A socket that listens, or that got a SOL_LISTENQ option and may. Whose it is: lq_listener_owned().
 */
struct lq_listener {
	/* The sock's own with our conn_request and syn_recv_sock: read in softirq, never written. */
	struct inet_connection_sock_af_ops af_ops;
	const struct inet_connection_sock_af_ops *orig_af_ops;
	struct sock *sk;		 /* owns us; no reference held */
	struct lq_net *lqn;		 /* of its namespace, which it holds */
	u32 shard_count;		 /* 1; written before the sock listens for the first time */
	u32 settings_seen;		 /* lq_net.settings when settings were taken; settings_lock */
	u64 tcp_seen;			 /* lq_tcp_sysctls() then; settings_lock */
	struct lq_shard **more_shards;	 /* the same: all but the first, which is behind this struct */
	u16 isn_tag;			 /* lst->control; what our SYN-ACKs' numbers carry; ports.c */
	bool serving;			 /* lst->control; listen() returned 0, and not ended since */
	bool listening;			 /* lst->control; the queues are open, it is in the tables */
	bool ended;			 /* TCP's listener ended, and our queues are still open */
	u8 migrating;			 /* lst->control; it ends: LQ_TO_*, where what it has may go */
	bool moving;			 /* requests are in heir.c's hands */
	struct lq_parked *parked;	 /* lst->control; while it ends, and parks what it has; grace.c */
	u32 heir_turn;			 /* heir.c's: which of equal heirs is next; a hint */
	bool steals;			 /* of the settings in force: steal_us is set */
	u32 share_turn;			 /* share.c's: with which member it begins; a hint */
	u32 share_looked;		 /* the same, its work's: at how many members of this round */
	u32 share_again_us;		 /* share.c's: until others are woken for what is due */
	u64 request_heir;		 /* heir.c's, while it ends: who has its tag, by id; 0: nobody */
	bool guarded;			 /* rskq_lock; sk_ack_backlog counts ours, too */
	u32 ack_backlog;		 /* rskq_lock; connections on our accept queues */
	struct lq_keys keys;		 /* never written after attach */
	struct rhash_head owner_node;	 /* in lq_owners while attached */
	struct lq_port *port;		 /* lq_ports.lock; while listening; ports.c */
	u64 id;				 /* lq_net.list_lock; never reused; a new one at each start */
	struct mutex control;		 /* starts, stops, filters; waits for nothing of a user's */
	spinlock_t settings_lock;	 /* BH; see settings.c */
	struct lq_overrides overrides;	 /* settings_lock */
	s32 backlog;			 /* settings_lock; last listen(), after the kernel's clamp */
	s32 backlog_asked;		 /* settings_lock; before it */
	struct lq_limits limits;	 /* settings_lock */
	bool announced;			 /* lst->control; its start was told, its stop will be */
	bool hooked;			 /* lock_sock; holds one of hook.c's users */
	bool sharded;			 /* lst->control; the first listen() has decided */
	bool adopted;			 /* never written after attach; others may be in TCP's operations */
	bool draining;			 /* lst->control; others take its SYNs; while listening */
	bool releasing;			 /* lst->control; it goes back to TCP; release.c */
	bool released;			 /* lock_sock; and is TCP's, but for the end of the work */
	bool feeding;			 /* TCP's own accept() may wait for a connection; feed.c */
	struct rb_node node;		 /* lq_net.list_lock; in lq_net.listeners while listening */
	struct lq_counters *former;	 /* lq_net.list_lock; of ended ones at its address; former.c */
	struct lq_guard *guard;		 /* lock_sock; while TCP listens; guard.c */
	struct work_struct end_work;	 /* holds the listener and its sock while it waits */
	struct request_sock *carrier;	 /* brings children into TCP's queue: accept.c */
	u8 filter;			 /* control; enum lq_filter */
	struct lq_program __rcu *filter_program; /* control; with LQ_FILTER_BPF */
	struct work_struct reaper;	 /* reaper.c's, as the next: queued under a shard's lock */
	struct delayed_work expiry;
	struct delayed_work cull;	 /* cull.c's; queued under a shard's lock, too */
	struct delayed_work share;	 /* share.c's; the same */
	struct delayed_work release;	 /* release.c's */
	unsigned long release_grace;	 /* lst->control; RCU's, since it is releasing */
	unsigned long release_began;	 /* the same; jiffies */
	struct delayed_work door;	 /* takes the ULP off, once; holds all that it needs */
	unsigned long door_delay;	 /* the work's own; ticks */
	void *sockmap;			 /* its own: what a sockmap has of the sock; held until then */
	struct delayed_work feed;	 /* feed.c's, if adopted */
	unsigned long feed_delay;	 /* the work's own; ticks */
	u8 feed_grace;			 /* enum lq_feed_grace */
	struct rcu_head feed_rcu;	 /* with LQ_FEED_GRACE_UNDER_WAY; holds the listener */
	refcount_t refs;		 /* see bridge/core.h */
	struct rcu_head rcu;
} ____cacheline_aligned_in_smp;

/* inet_connection_sock_af_ops.conn_request: softirq, RCU. Below 0: TCP sends RST. In syn.c. */
int lq_conn_request(struct sock *sk, struct sk_buff *skb);

/* The listener that segments for @sk find, or NULL. RCU, or lock_sock. */
static inline struct lq_listener *lq_listener_of(const struct sock *sk)
{
	const struct inet_connection_sock_af_ops *ops = READ_ONCE(inet_csk(sk)->icsk_af_ops);

	if (ops->conn_request != lq_conn_request)
		return NULL;
	return container_of(ops, struct lq_listener, af_ops);
}

/* Any context: a connection waits for accept(). */
static inline void lq_listener_wake(struct lq_listener *lst)
{
	READ_ONCE(lst->sk->sk_data_ready)(lst->sk);
	if (unlikely(READ_ONCE(lst->feeding)))
		mod_delayed_work(lq_wq, &lst->feed, 0);
}

/*
 * Whether @th is for the port of @lst: a transparent proxy or a program may bring another,
 * whose handshake is left to TCP.
 */
static inline bool lq_listener_port(const struct lq_listener *lst, const struct tcphdr *th)
{
	return th->dest == inet_sk(lst->sk)->inet_sport;
}

/* Any context: count @event, enum listenq_event, for the namespace of @lst. A drop: drop.h. */
static inline void lq_listener_event(const struct lq_listener *lst, u8 event)
{
	this_cpu_inc(lst->lqn->counters->events[event]);
}

int lq_owners_init(void);
void lq_owners_exit(void);
/* lock_sock held: the sock of @lst is its owner, and is not. -ENOMEM. */
int lq_owners_add(struct lq_listener *lst);
void lq_owners_remove(struct lq_listener *lst);
/*
 * The listener of @sk, whatever others have made of the sock, or NULL. lock_sock held, or nobody
 * else has the sock's file; or under RCU, for as long as that.
 */
struct lq_listener *lq_listener_owned(const struct sock *sk);

/* Freed after a grace period. NULL is fine. */
void lq_listener_put(struct lq_listener *lst);
/* lq_net.list_lock held: references on @lst (or NULL) and its sock. False: the sock is going. */
bool lq_listener_hold(struct lq_listener *lst);
void lq_listener_release(struct lq_listener *lst); /* Process context. */
/* How many tasks wait in TCP's own accept() of @sk. Any context. */
u32 lq_listener_tcp_waiters(const struct sock *sk);
/* lock_sock held, perhaps no sleeping: TCP's listener ended. guard.c calls. */
void lq_listener_ended(struct lq_listener *lst);

#endif
