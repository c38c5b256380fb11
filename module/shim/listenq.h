/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the shims share: the listener, the network namespace, and each file's
 * calls. The locking order and the owner of every reference are in
 * bridge/listenq.h.
 */
#ifndef LISTENQ_SHIM_H
#define LISTENQ_SHIM_H

#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <net/inet_connection_sock.h>
#include <net/net_namespace.h>
#include <net/tcp.h>

#include "../bridge/listenq.h"
#include "../compat/compat.h"

/* --- one listener --- */

/* What setsockopt() fixed for one socket; LQ_FOLLOW: as the sysctl says. */
#define LQ_FOLLOW (-1)
struct lq_overrides {
	s32 policy;
	s32 max_syn_backlog;
	s32 abort_on_overflow;
	s32 synack_retries;
	s32 syncookies;
};
extern const struct lq_overrides lq_follow_all;
#define LQ_MAX_SYN_BACKLOG (1 << 20)

/*
 * A socket that listens, or that got a SOL_LISTENQ option and may. The sock
 * finds it through icsk_af_ops, which points at af_ops here.
 */
struct lq_listener {
	/* The sock's own with our conn_request and syn_recv_sock: read in softirq, never written. */
	struct inet_connection_sock_af_ops af_ops;
	const struct inet_connection_sock_af_ops *orig_af_ops;
	struct sock *sk;		 /* owns us; no reference held */
	u64 id;				 /* lock_sock; never reused; a new one at each start */
	struct lq_keys keys;		 /* never written after attach */
	struct lq_overrides overrides;	 /* lock_sock */
	s32 backlog;			 /* lock_sock; last listen(), after the kernel's clamp */
	s32 backlog_asked;		 /* lock_sock; before it */
	struct lq_limits limits;	 /* lock_sock; of the last listen() */
	bool listening;			 /* lock_sock */
	bool announced;			 /* lock_sock; its start was told, its stop will be */
	bool hooked;			 /* lock_sock; holds one lq_net.hook_users */
	struct list_head node;		 /* lq_net.list_lock; in lq_net.listeners while listening */
	struct request_sock *carrier;	 /* see accept.c; refcount 1: free to use */
	struct timer_list timer;	 /* armed under lock; see timer.c */
	u8 filter;			 /* lock_sock; enum lq_filter */
	struct bpf_prog *filter_program; /* lock_sock; with LQ_FILTER_BPF; see filter.c */
	struct work_struct reaper;	 /* scheduled under lock, while listening */
	refcount_t refs;		 /* see bridge/listenq.h */
	bool attached;			 /* lock_sock; the sock's reference is held */
	struct rcu_head rcu;
	spinlock_t lock;		 /* the core and everything it queues */
	struct lq_core *core;		 /* in the memory behind this struct */
};

/* The listener of @sk, or NULL. RCU, or lock_sock. */
struct lq_listener *lq_listener_of(const struct sock *sk);

/* --- one network namespace --- */

struct lq_sysctls {
	int policy; /* enum lq_policy */
	int max_syn_backlog;
	int abort_on_overflow;
	int synack_retries;
	int synack_timeout_ms;
	int soacceptqueue;
	int syncookies;
	int syncookie_pause;
};

struct lq_net_counters {
	u64 drops[__LISTENQ_DROP_MAX];
	u64 events[__LISTENQ_EVENT_MAX];
};

struct lq_net {
	struct net *net;	     /* whose we are */
	struct lq_sysctls sysctls;   /* written by sysctl, read without a lock */
	struct ctl_table *sysctl_table;
	struct ctl_table_header *sysctl_header;
	struct lq_net_counters __percpu *counters;
	struct mutex listen_mutex;   /* what starts and what ends a listener, as a whole */
	struct mutex hook_mutex;     /* hook_users and the hooks' registration */
	unsigned int hook_users;     /* listeners that need the hooks */
	spinlock_t list_lock;	     /* listeners; process context */
	struct list_head listeners;  /* list_lock; in the order of their ids */
	u32 generation;		     /* list_lock; changes with the list, for dumps */
};

struct lq_net *lq_net(const struct net *net);

/* Any context. */
void lq_count_drop(const struct net *net, u8 reason);
void lq_count_event(const struct net *net, u8 event);
/* Process context: the sum over all CPUs. */
void lq_net_counters_read(const struct net *net, struct lq_net_counters *sum);

/* --- family.c: socket(), and the operations of our sockets --- */

int lq_family_init(void);
void lq_family_exit(void);
/* The kernel's own operations of an AF_INET or AF_INET6 stream socket. */
const struct proto_ops *lq_orig_ops(const struct sock *sk);

/* --- listener.c: attach, listen, stop, detach --- */

/*
 * lock_sock held, process context: the listener of @sk, made if there is none.
 * ERR_PTR(-ENOMEM), ERR_PTR(-EISCONN).
 */
struct lq_listener *lq_listener_attach(struct sock *sk);
int lq_listener_listen(struct socket *sock, int backlog);
/* lock_sock held: empty both queues. Harmless when not listening. */
void lq_listener_stop(struct lq_listener *lst);
/* lock_sock not held: stop, and drop the sock's reference. Harmless when detached. */
void lq_listener_detach(struct lq_listener *lst);
/* Freed after a grace period. NULL is fine. */
void lq_listener_put(struct lq_listener *lst);
/* lock_sock held: take changed settings. -ENOMEM: nothing changed. */
int lq_listener_reconfigure(struct lq_listener *lst);
/* Process context: lq_listener_reconfigure() for every listener of @net. */
void lq_net_reconfigure(struct net *net);

/* --- request.c: memory, and the request as the kernel's helpers want it --- */

int lq_request_init(void);
void lq_request_exit(void);
/* For a listener's @sk, whose memory cgroup pays. Any context; NULL without memory. */
struct lq_request *lq_request_alloc(const struct sock *sk, bool v6);
void lq_request_free(struct lq_request *request); /* any context; NULL is fine */
/* The addresses, peer first: 8 or 32 bytes, beyond the struct for IPv6. */
static inline u8 *lq_request_addresses(const struct lq_request *request)
{
	return (u8 *)request + offsetof(struct lq_request, addr);
}
/* Who @request is from, for tracing. */
void lq_request_key(const struct lq_request *request, struct lq_key *key);

/*
 * Fill the kernel's transient view of @request on the stack, for the helpers
 * that route, classify, answer and clone. It owns nothing.
 */
void lq_request_view(struct tcp_request_sock *treq, const struct lq_listener *lst,
		     const struct lq_request *request);

/* --- syn.c --- */

/* inet_connection_sock_af_ops.conn_request: softirq, RCU. Below 0: TCP sends RST. */
int lq_conn_request(struct sock *sk, struct sk_buff *skb);
/* The route back to the peer of @treq, with a reference, or NULL. */
struct dst_entry *lq_request_route(const struct sock *sk, struct tcp_request_sock *treq,
				   struct flowi *fl);
/* Choose the SYN-ACK's window, the clamp and our window scale. */
void lq_request_window(const struct sock *sk, const struct dst_entry *dst,
		       struct lq_request *request);
/* LQ_ALLOW_*: the options that the namespace's TCP sysctls allow. */
u8 lq_options_allowed(const struct net *net);
/* Whether the SYN's or cookie's wish for ECN is granted. */
bool lq_ecn_enabled(const struct sock *sk, const struct dst_entry *dst);

/* --- synack.c --- */

/*
 * Send the SYN-ACK of @request. @dst: the route, whose reference is taken, or
 * NULL: find it; @fl: the flow that it came from. @tsval: the clock's, without
 * the request's offset. Softirq.
 */
void lq_synack_send(struct lq_listener *lst, const struct lq_request *request,
		    struct dst_entry *dst, struct flowi *fl, u32 tsval, bool retransmission);
/* Answer the odd segment @skb, whose TCP_SKB_CB is filled, with an ACK. Softirq. */
void lq_challenge_send(struct lq_listener *lst, struct sk_buff *skb,
		       const struct lq_request *request);
/* What we take in one segment, given @dst. */
u16 lq_synack_mss(const struct sock *sk, const struct dst_entry *dst);

/* --- ack.c --- */

/* Count and trace a segment that the core refused, in TCP's own counters too. */
void lq_ack_drop(struct lq_listener *lst, const struct lq_key *key, u8 reason);
/* As tcp_v4_fill_cb() and tcp_v6_fill_cb(): the skb is TCP's from here on. */
void lq_fill_cb(struct sk_buff *skb, const struct tcphdr *th, const struct lq_ack *ack);
/* The skb is IP's again, to be passed on after all. */
void lq_restore_cb(struct sk_buff *skb, bool v6);

int lq_hooks_get(struct net *net); /* process context, no lock */
void lq_hooks_put(struct net *net);

/* --- cookie.c --- */

/*
 * After LQ_ACK_MAYBE_COOKIE: LQ_ACK_UNKNOWN if it brings none, and *result is
 * netfilter's verdict. skb->data is at the TCP header. Softirq, RCU.
 */
enum lq_ack_verdict lq_cookie_try(struct lq_listener *lst, struct sk_buff *skb,
				  struct lq_ack *ack, unsigned int *result);

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
 * the segment. Returns netfilter's verdict on @skb. Softirq, RCU.
 */
unsigned int lq_child_build(struct lq_listener *lst, struct sk_buff *skb,
			    const struct lq_promotion *promotion, const struct lq_ack *ack);
/* Reset a child that nobody will accept. Takes the queue's reference. */
void lq_child_reset(struct sock *listener, struct sock *child);

/* One more child is queued: sk_ack_backlog, for ss and syn_recv_sock(). lst->lock held. */
void lq_ack_backlog_add(struct sock *sk);

/* --- filter.c --- */

void lq_filter_init(struct lq_listener *lst);
/* LQ_COMMIT_HELD: @child, whose lock we hold since its birth, waits for its data. */
void lq_filter_hold(struct lq_listener *lst, struct sock *child, struct lq_request *entry);
/* Reset the children of @list, which the core evicted. Softirq, no child's lock held. */
void lq_filter_evict(struct lq_listener *lst, struct lq_request *list);
/* lock_sock held, the core is closed: reset the children of @held. */
void lq_filter_drain(struct lq_listener *lst, struct lq_request *held);
/*
 * lock_sock held. -EINVAL: not listening, or there is a filter; -ENOENT: no such name; and
 * what bpf_prog_create_from_user() says.
 */
int lq_filter_set_name(struct lq_listener *lst, const char *name, size_t length);
int lq_filter_set_program(struct lq_listener *lst, struct sock_fprog *code);
/* lock_sock held: what it held can be accepted. Harmless without a filter. */
void lq_filter_remove(struct lq_listener *lst);
/* lock_sock held, nothing is held any more. */
void lq_filter_forget(struct lq_listener *lst);

/* --- accept.c --- */

int lq_accept(struct socket *sock, struct socket *newsock, LQ_ACCEPT_PARAMS);
__poll_t lq_poll(struct file *file, struct socket *sock, struct poll_table_struct *wait);
void lq_carrier_free(struct lq_listener *lst);

/* --- event.c: netlink events --- */

/* Sends to whoever reads; any context, no lst->lock held, @gfp as that allows. */
void lq_event_send(struct lq_listener *lst, const struct lq_event *event, gfp_t gfp);
/* Sends all that the core has to tell, and lets the timer find the ends. Softirq. */
void lq_event_tell(struct lq_listener *lst);
/* After each drop, cookie and tick. Softirq, no lst->lock held. */
static inline void lq_event_check(struct lq_listener *lst)
{
	if (unlikely(lq_core_event_pending(lst->core)))
		lq_event_tell(lst);
}
/* lock_sock held: listen() went well. */
void lq_event_listen(struct lq_listener *lst);

/* --- timer.c --- */

void lq_timer_init(struct lq_listener *lst);
void lq_timer_arm_locked(struct lq_listener *lst);

/* --- sockopt.c --- */

int lq_setsockopt(struct socket *sock, int level, int optname, sockptr_t optval,
		  unsigned int optlen);
int lq_getsockopt(struct socket *sock, int level, int optname, char __user *optval,
		  int __user *optlen);
/* lock_sock held. */
void lq_listener_info(struct lq_listener *lst, struct listenq_info *info);

/* --- sysctl.c, proc.c, netlink.c --- */

/* Names of enum listenq_drop; NULL for LISTENQ_DROP_NONE. */
extern const char *const lq_drop_names[__LISTENQ_DROP_MAX];

int lq_sysctl_init(struct net *net);
void lq_sysctl_exit(struct net *net);
int lq_proc_init(struct net *net);
void lq_proc_exit(struct net *net);
extern struct genl_family lq_genl_family;
enum { LQ_MCGRP_EVENTS };
int lq_put_address(struct sk_buff *msg, int type, const struct sock *sk);
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

static inline u32 lq_now_us(void)
{
	return (u32)div_u64(ktime_get_ns(), NSEC_PER_USEC);
}

/* The clock of TCP timestamps: milliseconds (TCP_TS_HZ). */
static inline u32 lq_now_tsval(void)
{
	return (u32)div_u64(ktime_get_ns(), NSEC_PER_MSEC);
}

#endif
