/* SPDX-License-Identifier: GPL-2.0 */
/* What each network namespace has: settings, counters, and the lists that its listeners are in. */
#ifndef LISTENQ_NET_H
#define LISTENQ_NET_H

#include <linux/percpu.h>
#include <linux/ratelimit_types.h>
#include <linux/rbtree.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "../bridge/core.h"
#include "ports.h"

struct workqueue_struct;

/* A setting that was never given: it is what the one above it says. */
#define LQ_FOLLOW (-1)
#define LQ_SYNACK_TIMEOUT_MS 1000 /* what synack_timeout_ms begins with: TCP_TIMEOUT_INIT, RFC 6298 2 */

struct lq_sysctls {
	int policy; /* enum lq_policy */
	int shards; /* 0: as many as CPUs are online */
	int max_syn_backlog;   /* these four: LQ_FOLLOW, as TCP's; tcp_sysctls.h */
	int abort_on_overflow;
	int synack_retries;
	int syncookies;
	int synack_timeout_ms;
	int soacceptqueue;
	int syncookie_pause;
	int filter_timeout_ms;
	int reset_acked; /* 0 or 1 */
	int migrate; /* 0 or 1; heir.c */
	int grace_total; /* requests and connections that are parked; park.c */
#define LQ_X(NAME, name, low, high, initial) int name;
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
	int adopt; /* watch.c */
};
#define LQ_MAX_SYN_BACKLOG (1 << 20)
#define LQ_MAX_PARKED (1 << 20) /* grace_total */

/* Lists of parking places, by a few bits of the port. */
#define LQ_PARKED_SLOTS 64

struct lq_net_counters {
	u64 drops[__LISTENQ_DROP_MAX];
	u64 events[__LISTENQ_EVENT_MAX];
};

struct lq_route_cache;

/* When a SYN cookie was last sent, by a few bits of the local port: a hint. */
#define LQ_COOKIE_SLOTS 256

/* Cgroups whose listeners are adopted: watch.c. */
#define LQ_CGROUPS_MAX 16
struct lq_cgroups {
	struct rcu_head rcu;
	u32 count; /* 1 or more */
	u64 ids[LQ_CGROUPS_MAX];
};

struct lq_net {
	struct net *net;	     /* the namespace */
	struct lq_ports ports;	     /* read in softirq for every segment without a socket */
	struct lq_route_cache __percpu *routes; /* set before any listener */
	struct lq_sysctls sysctls;   /* written by sysctl, read without a lock */
	atomic_t settings;	     /* counts their changes */
	atomic_t moves;		     /* how often heir.c began to move requests, */
	atomic_t moved;		     /* and how often it was done with it */
	struct lq_keys keys;	     /* all but a table's, which each listener draws; drawn once */
	u32 cookie_sent_s[LQ_COOKIE_SLOTS]; /* 0: never; lq_now_s(); READ_ONCE() */
	struct lq_cgroups __rcu *adopt_cgroups; /* NULL: none */
	struct ctl_table *sysctl_table;
	struct ctl_table_header *sysctl_header;
	struct lq_net_counters __percpu *counters;
	/* On a line of its own: what every segment reads is not there. */
	spinlock_t list_lock ____cacheline_aligned_in_smp; /* listeners; process context */
	struct rb_root listeners;    /* list_lock; by their ids */
	u32 listener_count;	     /* list_lock; how many these are */
	u32 generation;		     /* list_lock; changes with the list, for dumps */
	u64 last_id;		     /* list_lock */
	bool formers;		     /* list_lock; a lst->former is there, or was; READ_ONCE() */
	spinlock_t parked_lock;	     /* the lists of parking places; process context */
	u32 parked_places;	     /* parked_lock; how many there are; READ_ONCE() */
	atomic_t parked_entries;     /* what they hold: requests and connections */
	struct hlist_head parked[LQ_PARKED_SLOTS]; /* parked_lock; struct lq_parked; RCU */
	struct ratelimit_state listen_events; /* of what listen() alone can make */
	atomic_t untold;	     /* listen_events that were not sent since the last event */
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

/* Process context: the sum over all CPUs. */
void lq_net_counters_read(const struct net *net, struct lq_net_counters *sum);

#endif
