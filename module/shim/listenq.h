/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the shims share: the listener, the network namespace, and each file's
 * calls. The locking order and the owner of every reference are in
 * bridge/core.h.
 */
#ifndef LISTENQ_SHIM_H
#define LISTENQ_SHIM_H

#include <linux/filter.h>
#include <linux/hash.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/rbtree.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <net/inet_connection_sock.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/tcp.h>

#include "../bridge/core.h"
#include "../bridge/segment.h"
#include "../compat/compat.h"
#include "ports.h"

/* --- one listener --- */

struct lq_guard;

/* What setsockopt() fixed for one socket; LQ_FOLLOW: as the sysctl says. */
#define LQ_FOLLOW (-1)
struct lq_overrides {
	s32 shards;
	s32 policy;
	s32 max_syn_backlog;
	s32 abort_on_overflow;
	s32 synack_retries;
	s32 syncookies;
};
extern const struct lq_overrides lq_follow_all;
#define LQ_MAX_SYN_BACKLOG (1 << 20)

/*
 * One part of a listener's queues. On its own cache lines: what a segment or an accept() of
 * another shard writes is not here.
 */
struct lq_shard {
	spinlock_t lock;	   /* the core and everything it queues */
	atomic_t accepts_done;	   /* to be told to the core by whoever locks it next */
	u32 turn;		   /* accept() calls of its CPUs; a hint, no lock */
	bool ready;		   /* something on the filter queue may be; see filter.c */
	struct lq_listener *lst;   /* whose it is */
	struct lq_core *core;	   /* in the memory behind this struct */
	struct timer_list timer;   /* armed under lock; see timer.c */
	unsigned long timer_ran;   /* lock; jiffies: when it ran last */
	struct work_struct grow;   /* queued under lock, while the core is open; see shard.c */
	unsigned long grow_failed; /* lock; jiffies: when there was no memory for a table */
	atomic_t evicting;	   /* calls of lq_filter_evict() under way; counted up under lock */
	struct lq_request *abandoned; /* what those left to the one that closed the core */
} ____cacheline_aligned_in_smp;

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
	struct lq_shard **more_shards;	 /* the same: all but the first, which is behind this struct */
	u16 isn_tag;			 /* lst->control; what our SYN-ACKs' numbers carry; ports.c */
	bool serving;			 /* lst->control; listen() returned 0, and not ended since */
	bool listening;			 /* lst->control; the queues are open, it is in the tables */
	bool ended;			 /* TCP's listener ended, and our queues are still open */
	bool guarded;			 /* rskq_lock; sk_ack_backlog counts ours, too */
	u32 ack_backlog;		 /* rskq_lock; connections on our accept queues */
	struct lq_keys keys;		 /* never written after attach */
	struct rhash_head owner_node;	 /* in lq_owners while attached */
	struct lq_port *port;		 /* lst->control; while listening; ports.c */
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
	struct rb_node node;		 /* lq_net.list_lock; in lq_net.listeners while listening */
	struct lq_guard *guard;		 /* lock_sock; while TCP listens; guard.c */
	struct work_struct end_work;	 /* holds the listener and its sock while it waits */
	struct request_sock *carrier;	 /* see accept.c; refcount 1: free to use */
	u8 filter;			 /* control; enum lq_filter */
	struct lq_program __rcu *filter_program; /* control; with LQ_FILTER_BPF */
	struct work_struct reaper;	 /* filter.c's, as the next: queued under a shard's lock */
	struct delayed_work expiry;
	refcount_t refs;		 /* see bridge/core.h */
	struct rcu_head rcu;
} ____cacheline_aligned_in_smp;

static inline struct lq_shard *lq_first_shard(const struct lq_listener *lst)
{
	return (struct lq_shard *)(lst + 1);
}

/* @index: below lst->shard_count. */
static inline struct lq_shard *lq_shard_at(const struct lq_listener *lst, u32 index)
{
	return index == 0 ? lq_first_shard(lst) : lst->more_shards[index - 1];
}

/* The shard of a connection. */
static inline struct lq_shard *lq_shard_of(const struct lq_listener *lst, const struct lq_key *key)
{
	if (likely(lst->shard_count == 1))
		return lq_first_shard(lst);
	return lq_shard_at(lst, lq_core_shard(&lst->keys, key, lst->shard_count));
}

#define lq_for_each_shard(lst, shard, i) \
	for ((i) = 0; (i) < (lst)->shard_count && ((shard) = lq_shard_at(lst, i), true); (i)++)

/* inet_connection_sock_af_ops.conn_request: softirq, RCU. Below 0: TCP sends RST. See syn.c. */
int lq_conn_request(struct sock *sk, struct sk_buff *skb);

/* The listener that segments for @sk find, or NULL. RCU, or lock_sock. */
static inline struct lq_listener *lq_listener_of(const struct sock *sk)
{
	const struct inet_connection_sock_af_ops *ops = READ_ONCE(inet_csk(sk)->icsk_af_ops);

	if (ops->conn_request != lq_conn_request)
		return NULL;
	return container_of(ops, struct lq_listener, af_ops);
}

/* --- one network namespace --- */

struct lq_sysctls {
	int policy; /* enum lq_policy */
	int shards; /* 0: as many as CPUs are online */
	int max_syn_backlog;
	int abort_on_overflow;
	int synack_retries;
	int synack_timeout_ms;
	int soacceptqueue;
	int syncookies;
	int syncookie_pause;
	int filter_timeout_ms;
};

struct lq_net_counters {
	u64 drops[__LISTENQ_DROP_MAX];
	u64 events[__LISTENQ_EVENT_MAX];
};

struct lq_route_cache;

/* When a SYN cookie was last sent, by a few bits of the local port: a hint. */
#define LQ_COOKIE_SLOTS 256

struct lq_net {
	struct net *net;	     /* whose we are */
	struct lq_ports ports;	     /* read in softirq for every segment without a socket */
	struct lq_route_cache __percpu *routes; /* set before any listener */
	struct lq_sysctls sysctls;   /* written by sysctl, read without a lock */
	atomic_t settings;	     /* counts their changes */
	struct lq_keys keys;	     /* all but those of tables; drawn once */
	u32 cookie_sent_s[LQ_COOKIE_SLOTS]; /* 0: never; lq_now_s(); READ_ONCE() */
	struct ctl_table *sysctl_table;
	struct ctl_table_header *sysctl_header;
	struct lq_net_counters __percpu *counters;
	/* On a line of its own: what every segment reads is not there. */
	spinlock_t list_lock ____cacheline_aligned_in_smp; /* listeners; process context */
	struct rb_root listeners;    /* list_lock; by their ids */
	u32 listener_count;	     /* list_lock; how many these are */
	u32 generation;		     /* list_lock; changes with the list, for dumps */
	u64 last_id;		     /* list_lock */
	struct ratelimit_state listen_events; /* of what listen() alone can make */
	atomic_t untold;	     /* of these: not told since the last event */
};

extern unsigned int lq_net_id;

/*
 * What has to sleep, on behalf of a segment. Whoever queues a work sees to it that it is done or
 * cancelled before the listener goes; unloading waits for the rest.
 */
extern struct workqueue_struct *lq_wq;

static inline struct lq_net *lq_net(const struct net *net)
{
	return net_generic(net, lq_net_id);
}

/* The same, under RCU. */
static inline struct lq_net *lq_net_rcu(const struct net *net)
{
	return rcu_dereference(net->gen)->ptr[lq_net_id];
}

/* Any context: count @event, enum listenq_event, for the namespace of @lst. A drop: drop.h. */
static inline void lq_listener_event(const struct lq_listener *lst, u8 event)
{
	this_cpu_inc(lst->lqn->counters->events[event]);
}

/* Process context: the sum over all CPUs. */
void lq_net_counters_read(const struct net *net, struct lq_net_counters *sum);

/* --- family.c: socket(), and the operations of our sockets --- */

int lq_family_init(void);
void lq_family_exit(void);
/* After it: until no task is in a function of ours any more. */
void lq_family_wait(void);
/* Process context, no lock: @sock is the kernel's own from here on. False: it listens, and stays ours. */
bool lq_family_leave(struct socket *sock);
/* lock_sock held: whether @sock still has our operations, and may listen by us. */
bool lq_family_has(const struct socket *sock);
/* The kernel's own operations of an AF_INET or AF_INET6 stream socket. */
const struct proto_ops *lq_orig_ops(const struct sock *sk);

/* --- listener.c: attach, listen, stop, detach --- */

int lq_listener_init(void);
void lq_listener_exit(void);
/*
 * The listener of @sk, whatever others have made of the sock, or NULL. lock_sock held, or nobody
 * else has the sock's file.
 */
struct lq_listener *lq_listener_owned(const struct sock *sk);
/*
 * lock_sock held, process context: the listener of @sk, made if there is none.
 * ERR_PTR(-ENOMEM), ERR_PTR(-EISCONN).
 */
struct lq_listener *lq_listener_attach(struct sock *sk);
int lq_listener_listen(struct socket *sock, int backlog);
/* lock_sock not held: empty the queues of @sk's listener, if it has one. TCP's goes on. */
void lq_listener_stop(struct sock *sk);
/* lst->control held: the same. Harmless when not listening. */
void lq_listener_stop_locked(struct lq_listener *lst);
/* lock_sock held, perhaps no sleeping: TCP's listener ended. guard.c calls. */
void lq_listener_ended(struct lq_listener *lst);
/* lock_sock held: stop, and leave the sock, which is TCP's in every field again. */
void lq_listener_detach_locked(struct lq_listener *lst);
/* lock_sock not held, after that: the sock's reference, and what came with it. */
void lq_listener_drop_owner(struct lq_listener *lst);
/* Freed after a grace period. NULL is fine. */
void lq_listener_put(struct lq_listener *lst);
/* Reset what a core that closes hands back, but for what filters hold. */
void lq_listener_drain(struct lq_listener *lst, struct lq_drained *drained);

/* --- guard.c --- */

int lq_guard_init(void);
void lq_guard_exit(void);
struct lq_guard *lq_guard_alloc(struct lq_listener *lst); /* Process context. NULL without memory. */
void lq_guard_free(struct lq_guard *guard); /* NULL is fine */
/* lock_sock held, the sock listens: sk_ack_backlog counts ours from now on. Takes @guard. */
void lq_guard_place(struct lq_listener *lst, struct lq_guard *guard);

/* A connection more is on our accept queues: for ss and syn_recv_sock(). BH are off. */
void lq_ack_backlog_add(struct lq_listener *lst);
/* rskq_lock held: one less. */
void lq_ack_backlog_remove_locked(struct lq_listener *lst);
/* rskq_lock held: one of ours is on the kernel's own queue now, which counts it down. */
void lq_ack_backlog_hand_over_locked(struct lq_listener *lst);

/* --- settings.c --- */

/* The sock lives. Any context: take up what changed. */
void lq_listener_apply(struct lq_listener *lst);
static inline void lq_listener_refresh(struct lq_listener *lst)
{
	if (unlikely(READ_ONCE(lst->settings_seen) != (u32)atomic_read(&lst->lqn->settings)))
		lq_listener_apply(lst);
}
/* listen()'s argument, after the kernel's clamp and before it. */
void lq_listener_set_backlog(struct lq_listener *lst, int backlog, int asked);
void lq_listener_config(const struct lq_listener *lst, struct lq_config *config);
/* How many shards the settings ask for, at least 1. */
u32 lq_listener_shards_asked(const struct lq_listener *lst);
void lq_overrides_get(struct lq_listener *lst, struct lq_overrides *to);
void lq_overrides_set(struct lq_listener *lst, const struct lq_overrides *to);

/* --- net.c: the listeners of a namespace --- */

/* lq_net.list_lock held: the first listening one whose id is @id or higher, or NULL. */
struct lq_listener *lq_net_first(const struct lq_net *lqn, u64 id);
/* The same: that one, or NULL. */
struct lq_listener *lq_net_find(const struct lq_net *lqn, u64 id);
/* The same: the one after @lst, or NULL. */
struct lq_listener *lq_net_after(const struct lq_listener *lst);
/* lst->control held: it has a new id from now on, and readers find it; and not any more. */
void lq_net_list(struct lq_listener *lst);
void lq_net_unlist(struct lq_listener *lst);
/* list_lock held: references on @lst (or NULL) and its sock. False: that is going. */
bool lq_listener_hold(struct lq_listener *lst);
void lq_listener_release(struct lq_listener *lst); /* Process context. */
/* Process context: sysctls changed. */
void lq_net_reconfigure(struct lq_net *lqn);

/* What the shards have to say, added up; each is locked in turn. No shard's lock held. */
struct lq_listener_state {
	struct listenq_info info; /* all but the id */
	struct lq_counters counters;
	u32 accept_oldest_us; /* lq_core_accept_oldest_us() */
};
void lq_listener_state(struct lq_listener *lst, struct lq_listener_state *state);
void lq_listener_info(struct lq_listener *lst, struct listenq_info *info);

/*
 * Whether @th is for the port of @lst: a transparent proxy or a program may bring another,
 * whose handshake is left to TCP.
 */
static inline bool lq_listener_port(const struct lq_listener *lst, const struct tcphdr *th)
{
	return th->dest == inet_sk(lst->sk)->inet_sport;
}

/* --- shard.c: a shard's core, and the table of its SYN queue --- */

/* @shard: zeroed memory, with room for a core behind it. */
void lq_shard_init(struct lq_shard *shard, struct lq_listener *lst);
void lq_shards_free(struct lq_listener *lst);
/* Take new limits, open or not. lst->settings_lock held, no shard's lock. */
void lq_shards_configure(struct lq_listener *lst, const struct lq_config *config,
			 const struct lq_limits *limits);
/* Process context, lst->control held, all are closed: let SYNs in. -ENOMEM: all stay closed. */
int lq_shards_open(struct lq_listener *lst);
/*
 * Process context, lst->control held: reset what is queued; nothing gets in any more, and neither
 * timers nor works run afterwards. @stopped: for the episodes that end with it.
 */
void lq_shards_close(struct lq_listener *lst, const struct listenq_info *stopped);
void lq_shard_wants_table_locked(struct lq_shard *shard);
/*
 * The shard's lock held: a request was queued, or all are gone. Only an open core has a wish, so
 * lq_shards_close() finds the work.
 */
static inline void lq_shard_grow_locked(struct lq_shard *shard)
{
	if (unlikely(lq_core_table_wanted(shard->core)))
		lq_shard_wants_table_locked(shard);
}

/* --- request.c: memory, and the request as the kernel's helpers want it --- */

int lq_request_init(void);
void lq_request_exit(void);
/* For a listener's @sk, whose memory cgroup pays. Any context; NULL without memory. Only flags are set. */
struct lq_request *lq_request_alloc(const struct sock *sk, bool v6);
void lq_request_free(struct lq_request *request); /* any context; NULL is fine */
/* The addresses, peer first: 8 or 32 bytes, beyond the struct for IPv6. */
static inline u8 *lq_request_addresses(const struct lq_request *request)
{
	u8 *bytes = (u8 *)request;

	OPTIMIZER_HIDE_VAR(bytes); /* they are not within the struct */
	return bytes + offsetof(struct lq_request, addr);
}
/* @copy becomes what @request is. */
static inline void lq_request_copy(union lq_request_copy *copy, const struct lq_request *request)
{
	if (request->flags & LQ_REQ_V6)
		memcpy(copy, request, LQ_REQUEST_SIZE_V6);
	else
		memcpy(copy, request, LQ_REQUEST_SIZE_V4);
}
/* The addresses of @key. */
static inline void lq_request_set_addresses(struct lq_request *request, const struct lq_key *key)
{
	if (key->v6)
		memcpy(lq_request_addresses(request), key->addr, 32);
	else
		memcpy(lq_request_addresses(request), key->addr, 8);
}
/*
 * What chooses transmit queue, flow label and one of several paths, for the SYN-ACK and the child
 * alike: net_tx_rndhash(). The sequence number is as good as random, and public anyway.
 */
static inline u32 lq_request_tx_hash(const struct sock *sk, const struct lq_request *request)
{
	u32 hash = request->snt_isn;

	/* tcp_rtx_synack(): another path may be better than one that lost something. */
	if (READ_ONCE(sk->sk_txrehash) == SOCK_TXREHASH_ENABLED)
		hash += request->num_retrans * GOLDEN_RATIO_32;
	return hash | 1; /* 0: none */
}
/* Who @request is from, for tracing. */
void lq_request_key(const struct lq_request *request, struct lq_key *key);

/*
 * Fill the kernel's transient view of @request on the stack, which owns nothing: for the
 * helpers that route and classify; and for those that answer and clone.
 */
void lq_request_view(struct inet_request_sock *ireq, const struct lq_listener *lst,
		     const struct lq_request *request);
void lq_request_view_tcp(struct tcp_request_sock *treq, const struct lq_listener *lst,
			 const struct lq_request *request);

/*
 * A security module may label the packets of a connection with an IP option (NetLabel: CIPSO,
 * CALIPSO), which it leaves in the request: take it out and free it. True: there was one. A SYN-ACK
 * of ours carries none, so such a connection is refused.
 */
bool lq_request_view_unlabel(struct inet_request_sock *ireq);

/* --- route.c --- */

/* Good until softirqs are on again or the RCU read section ends, unless it is owned. */
struct lq_route {
	struct dst_entry *dst;
	u16 advmss; /* bytes: what we take in one segment there; 0: lq_synack_mss() asks */
	bool owned; /* dst is a reference of ours */
};

struct lq_route_cache __percpu *lq_route_cache_alloc(void); /* NULL without memory */
void lq_route_cache_free(struct lq_route_cache __percpu *cache); /* NULL is fine */

/* Softirq, RCU: the route back to the peer of @request. False: there is none. */
bool lq_route_find(const struct lq_listener *lst, const struct lq_request *request,
		   struct lq_route *route);
static inline void lq_route_put(struct lq_route *route)
{
	if (route->owned)
		dst_release(route->dst);
}

/* --- syn.c --- */

/* A SYN, by whichever door. */
struct lq_syn_in {
	struct lq_syn syn;    /* for the core; whoever found the listener fills in the key */
	struct sk_buff *skb;  /* data at the TCP header, all of which is linear */
	const struct tcphdr *th;
	u32 tw_isn;	      /* TCP chose it: a TIME_WAIT pair is reused; 0: none */
	u8 dsfield;
	bool l3_slave;	      /* IPv6: came in by a VRF's slave */
	bool own;	      /* receive.c's: to be consumed, or to be answered in */
};
/* Softirq, RCU. */
void lq_syn_receive(struct lq_listener *lst, struct lq_syn_in *in);
/* A duplicate SYN of @request, as the core said: its SYN-ACK again, as lq_synack_send(). */
void lq_syn_repeat(struct lq_shard *shard, const struct lq_request *request, struct sk_buff *from);
/* Choose the SYN-ACK's window, the clamp and our window scale. */
void lq_request_window(const struct sock *sk, struct lq_route *route,
		       struct lq_request *request);
/* LQ_ALLOW_*: the options that the namespace's TCP sysctls allow. */
static inline u8 lq_options_allowed(const struct net *net)
{
	return (READ_ONCE(net->ipv4.sysctl_tcp_timestamps) ? LQ_ALLOW_TSTAMP : 0) |
	       (READ_ONCE(net->ipv4.sysctl_tcp_window_scaling) ? LQ_ALLOW_WSCALE : 0) |
	       (READ_ONCE(net->ipv4.sysctl_tcp_sack) ? LQ_ALLOW_SACK : 0);
}
/* Whether the SYN's or cookie's wish for ECN is granted. */
bool lq_ecn_enabled(const struct sock *sk, const struct dst_entry *dst);

/* --- synack.c --- */

/*
 * Send the SYN-ACK of @request. Takes @route, or finds it if that is NULL;
 * @tsval: the clock's, without the request's offset; @from: built in its
 * memory, if possible, or NULL; consumed. False: there was no memory, or no
 * route; of a request that is queued, the timer tries again. Softirq, RCU.
 */
bool lq_synack_send(struct lq_listener *lst, const struct lq_request *request,
		    struct lq_route *route, u32 tsval, struct sk_buff *from, bool retransmission);
/* The core counted it, as lq_core_synack_unsent() says. Softirq, the shard's lock not held. */
void lq_synack_unsent(struct lq_shard *shard, u8 as);
/* Answer the odd segment @skb, whose TCP_SKB_CB is filled, with an ACK. Softirq. */
void lq_challenge_send(struct lq_listener *lst, struct sk_buff *skb,
		       const struct lq_request *request);
/* Answer the segment @skb, whose TCP_SKB_CB is filled, with RST. Softirq. */
void lq_reset_send(struct lq_listener *lst, struct sk_buff *skb, bool v6);
/* What we take in one segment. */
u16 lq_synack_mss(const struct sock *sk, struct lq_route *route);

/* --- hook.c --- */

int lq_hooks_get(struct lq_net *lqn); /* Process context, no lock. -ENOMEM. */
void lq_hooks_put(void);

/* --- icmp.c --- */

/* TCP's handlers, written before ours are in the tables; NULL until then. */
typedef int lq_err_v4(struct sk_buff *skb, u32 info);
extern lq_err_v4 *lq_tcp_err_v4;
/* net_protocol.err_handler. Softirq, RCU; skb->data is at the quoted IP header. */
lq_err_v4 lq_icmp_v4;
#if IS_ENABLED(CONFIG_IPV6)
struct inet6_skb_parm;
typedef int lq_err_v6(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type, u8 code, int offset,
		      __be32 info);
extern lq_err_v6 *lq_tcp_err_v6;
lq_err_v6 lq_icmp_v6; /* inet6_protocol.err_handler, likewise */
#endif

/* --- receive.c --- */

/* What became of a segment that TCP was about to receive. */
enum lq_received {
	LQ_RECEIVED_PASS,  /* nothing yet: TCP's */
	LQ_RECEIVED_DROP,  /* refused: to be freed */
	LQ_RECEIVED_TAKEN, /* it is gone */
};

/* A segment whose data is at the TCP header, perhaps for a listener of @lqn. Softirq, RCU. */
enum lq_received lq_receive_v4(struct lq_net *lqn, struct sk_buff *skb);
enum lq_received lq_receive_v6(struct lq_net *lqn, struct sk_buff *skb);
/*
 * What TCP holds a segment to before a listener may make a socket of it. It has side effects
 * (programs, the length that a filter leaves), so the core has known the segment for its own before.
 */
bool lq_segment_acceptable(struct sock *sk, struct sk_buff *skb, bool v6);
/*
 * Whether @lst, the only one of ours that may be asked about a segment with @key, is the one that
 * TCP's lookup would find: bind() lets nobody else onto its address and port, and no program
 * chooses. (SO_REUSEPORT lets others on, and is not to be taken back once they are there.)
 */
static inline bool lq_listener_exclusive(const struct lq_listener *lst, const struct lq_key *key)
{
	const struct sock *sk = lst->sk;

	return READ_ONCE(lst->serving) && !sk->sk_reuseport &&
	       !rcu_access_pointer(sk->sk_reuseport_cb) && !READ_ONCE(sk->sk_bound_dev_if) &&
	       !key->l3_ifindex && !static_branch_unlikely(&bpf_sk_lookup_enabled);
}
/* The listening sock that TCP would give @skb to, whose data is at the TCP header. RCU. */
struct sock *lq_find_listener(struct lq_net *lqn, struct sk_buff *skb, const struct lq_key *key);
/* Whether @skb is a connection's, or of one in TIME_WAIT. */
bool lq_is_established(struct net *net, const struct sk_buff *skb, const struct lq_key *key);

/* --- ack.c --- */

/* As tcp_v4_fill_cb() and tcp_v6_fill_cb(), data at the TCP header: the skb is TCP's now. */
void lq_fill_cb(struct sk_buff *skb, bool v6);
/* The skb is IP's again, to be passed on after all. */
void lq_restore_cb(struct sk_buff *skb, bool v6);
/* The segment of @promotion is not the listener's after all: its request is as it was. Softirq. */
void lq_ack_unpromote(struct lq_shard *shard, const struct lq_promotion *promotion);
/* All of @ack but the key from the segment @skb, whose data is at the TCP header. */
void lq_ack_read(struct lq_ack *ack, const struct sk_buff *skb);
/*
 * Ask the core of @lst about the segment, and carry the answer out if TCP's checks let the segment
 * near a listener. LQ_ACK_UNKNOWN: not its request; otherwise *result is what became of it. @only:
 * no other listener of ours may have its request.
 */
enum lq_ack_verdict lq_ack_try(struct lq_listener *lst, struct sk_buff *skb, struct lq_ack *ack,
			       bool only, enum lq_received *result);

/* --- cookie.c --- */

static inline u32 *lq_cookie_slot(struct lq_net *lqn, u16 local_port)
{
	return &lqn->cookie_sent_s[(local_port ^ local_port >> 8) % LQ_COOKIE_SLOTS];
}
/* A listener at the port sent a cookie. Any context. */
static inline void lq_cookie_remember(struct lq_net *lqn, u16 local_port, u32 now_s)
{
	u32 *slot = lq_cookie_slot(lqn, local_port);

	if (READ_ONCE(*slot) != (now_s ? : 1))
		WRITE_ONCE(*slot, now_s ? : 1);
}
/* Whether one may have done so while its cookies are good. */
static inline bool lq_cookies_recent(struct lq_net *lqn, u16 local_port, u32 now_s)
{
	const u32 sent = READ_ONCE(*lq_cookie_slot(lqn, local_port));

	return unlikely(sent && now_s - sent <= LQ_COOKIE_LIFE_S);
}

/*
 * After LQ_ACK_MAYBE_COOKIE: LQ_ACK_UNKNOWN if it brings none; *result is what
 * became of the segment. skb->data is at the TCP header. Softirq, RCU.
 */
enum lq_ack_verdict lq_cookie_try(struct lq_shard *shard, struct sk_buff *skb, struct lq_ack *ack,
				  bool only, enum lq_received *result);

/* --- child.c --- */

/*
 * inet_connection_sock_af_ops.syn_recv_sock: TCP itself makes a child of our listener when a
 * request of TCP's migrates to it (net.ipv4.tcp_migrate_req, or a program of the SO_REUSEPORT
 * group), or when a cookie that another member of the group sent comes back. Softirq, RCU.
 */
struct sock *lq_syn_recv_sock(LQ_SYN_RECV_SOCK_PARAMS);

/*
 * Build the child of @promotion from @skb, whose TCP_SKB_CB is filled and whose
 * data begins at the TCP header; put it on the accept queue and let it process
 * the segment. Takes @route, or finds it if that is NULL. Softirq, RCU.
 */
enum lq_received lq_child_build(struct lq_shard *shard, struct sk_buff *skb,
			    const struct lq_promotion *promotion, const struct lq_ack *ack,
			    struct lq_route *route);
/* Reset a child that nobody will accept. Takes the queue's reference. Process context. */
void lq_child_reset(struct sock *child);
/* The same, with the child's spinlock held, which nobody owns but the caller, and a reference. */
void lq_child_forget_locked(struct sock *child);

/* --- held.c: a child that a filter holds; but for the last, its lock held --- */

/* Its callbacks are ours from now on, and its own again. The latter is harmless when they are. */
void lq_held_hook(struct lq_shard *shard, struct sock *child, struct lq_request *entry);
void lq_held_unhook(const struct lq_listener *lst, struct sock *child,
		    const struct lq_request *entry);
/* It has processed its first segment, and is perhaps held no more: its buffer is not to grow. */
void lq_held_bound(struct sock *child, struct lq_request *entry);
/* Count @entry, which has left the queue and whose child is gone or reset, and free it. */
void lq_held_drop(struct lq_listener *lst, struct lq_request *entry, u8 reason);

/* --- filter.c --- */

void lq_filter_init(struct lq_listener *lst);
/* A shard's lock held. LQ_COMMIT_HELD; @evicts: lq_filter_evict() will follow. */
void lq_filter_held_locked(struct lq_shard *shard, bool evicts);
/* The same lock: one on the queue is ready; a place on the accept queue may be free. */
void lq_filter_ready_locked(struct lq_shard *shard);
void lq_filter_room_locked(struct lq_shard *shard);
/* The same lock: settings changed. */
void lq_filter_changed_locked(struct lq_shard *shard);
/* Not locked: accept() has given up a place, and shard->ready was set. Any context. */
void lq_filter_room(struct lq_shard *shard);
/* Reset the children of @list, which the core evicted. Softirq, no child's lock held. */
void lq_filter_evict(struct lq_shard *shard, struct lq_request *list);
/* lst->control held, the core is closed: reset the children of @held. */
void lq_filter_drain(struct lq_shard *shard, struct lq_request *held);
/* lst->control held, nothing is held any more. */
void lq_filter_forget(struct lq_listener *lst);
/*
 * Process context, with a reference on @lst. -EINVAL: not listening, or there is a filter;
 * -ENOENT: no such name; and what bpf_prog_create_from_user() says, which reads the user's memory.
 */
int lq_filter_set_name(struct lq_listener *lst, const char *name, size_t length);
int lq_filter_set_program(struct lq_listener *lst, struct sock_fprog *code);
/* The same: what it held can be accepted, as there is room. Harmless without a filter. */
void lq_filter_remove(struct lq_listener *lst);
/* lst->control held: both at once; @length 0: none in its place. */
int lq_filter_replace_locked(struct lq_listener *lst, const char *name, size_t length);

/* --- accept.c --- */

int lq_accept(struct socket *sock, struct socket *newsock, LQ_ACCEPT_PARAMS);
__poll_t lq_poll(struct file *file, struct socket *sock, struct poll_table_struct *wait);
void lq_carrier_free(struct lq_listener *lst);
/* The shard's lock held, before the core is asked about a limit: accept() calls that ended. */
static inline void lq_accept_settle_locked(struct lq_shard *shard)
{
	if (atomic_read(&shard->accepts_done))
		lq_core_accept_done(shard->core, atomic_xchg(&shard->accepts_done, 0));
}

/* --- event.c: netlink events --- */

void lq_event_init(struct lq_net *lqn);
/* Sends to whoever reads; any context, no shard's lock held, @gfp as that allows. */
void lq_event_send(struct lq_listener *lst, const struct lq_event *event, gfp_t gfp);
/* Sends all that the core has to tell, and lets the timer find the ends. Softirq. */
void lq_event_tell(struct lq_shard *shard);
/* After each drop, cookie and tick. Softirq, no shard's lock held. */
static inline void lq_event_check(struct lq_shard *shard)
{
	if (unlikely(lq_core_event_pending(shard->core)))
		lq_event_tell(shard);
}
/* lock_sock held: listen() went well. */
void lq_event_listen(struct lq_listener *lst);

/* --- timer.c --- */

void lq_timer_init(struct lq_shard *shard);
/* The shard's lock held, its core open: run at @due, in ticks, if not before. */
void lq_timer_arm_locked(struct lq_shard *shard, u32 due);

/* --- sockopt.c --- */

int lq_setsockopt(struct socket *sock, int level, int optname, sockptr_t optval,
		  unsigned int optlen);
int lq_getsockopt(struct socket *sock, int level, int optname, char __user *optval,
		  int __user *optlen);

/* --- sysctl.c, proc.c, netlink.c --- */

int lq_sysctl_init(struct net *net);
void lq_sysctl_exit(struct net *net);
int lq_proc_init(struct net *net);
void lq_proc_exit(struct net *net);
extern struct genl_family lq_genl_family;
enum { LQ_MCGRP_EVENTS };
int lq_put_address(struct sk_buff *msg, int type, const struct sock *sk);

/* --- request_dump.c: LISTENQ_CMD_REQUEST_GET --- */

struct netlink_callback;
extern const struct nla_policy lq_request_get_policy[LISTENQ_A_REQUEST_MAX + 1];
int lq_request_get_start(struct netlink_callback *cb);
int lq_request_get_dumpit(struct sk_buff *msg, struct netlink_callback *cb);
int lq_request_get_done(struct netlink_callback *cb);

int lq_netlink_init(void);
void lq_netlink_exit(void);

/* --- small things --- */

static inline u32 lq_now(void)
{
	return (u32)jiffies;
}

static inline u32 lq_now_s(void)
{
	return (u32)ktime_get_seconds();
}

/* 32 bits of microseconds, of ktime_get_ns(). */
static inline u32 lq_us(u64 now_ns)
{
	return (u32)div_u64(now_ns, NSEC_PER_USEC);
}

static inline u32 lq_now_us(void)
{
	return lq_us(ktime_get_ns());
}

/* The clock of TCP timestamps, from ktime_get_ns(): milliseconds (TCP_TS_HZ). */
static inline u32 lq_tsval(u64 now_ns)
{
	return (u32)div_u64(now_ns, NSEC_PER_MSEC);
}

#endif
