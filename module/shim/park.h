/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a listener that ended had, parked until another of its owner listens in its place; grace.c has
 * its life.
 */
#ifndef LISTENQ_PARK_H
#define LISTENQ_PARK_H

#include <linux/uidgid.h>
#include <linux/workqueue.h>

#include "listener.h"
#include "receive.h"

/* One parking place: an address and port, and an owner. Never written after grace.c made it, but: */
struct lq_parked {
	struct hlist_node by_port; /* lq_net.parked_lock; in lq_net.parked; RCU */
	struct list_head all;	   /* grace.c's */
	spinlock_t lock;	   /* BH; the core */
	struct lq_core *core;	   /* in the memory behind this struct */
	bool filled;		   /* lq_net.parked_lock; its listener has ended: it may be handed over */
	bool claimed;		   /* lq_net.parked_lock; somebody does, or ends it: nobody else */
	struct lq_listener *lst;   /* that ended; held, with its sock, and so is the namespace */
	struct lq_port *port;	   /* its place, and by whose tag ACKs find it; ours once it is filled */
	kuid_t uid;		   /* the owner's */
	int ifindex;		   /* SO_BINDTODEVICE; 0: none */
	bool v6, v6only;	   /* the socket's family, and IPV6_V6ONLY */
	u64 told;		   /* grace.c's, as it is handed over: who has its tags, by id */
	struct delayed_work end;   /* the deadline */
	struct rcu_head rcu;
};

/* Parking places of a namespace, at most: a stray segment for one of their ports looks at all of them. */
#define LQ_PARKED_PLACES 256

/* lq_net.parked: those of @port, network byte order. */
static inline struct hlist_head *lq_parked_slot(struct lq_net *lqn, __be16 port)
{
	return &lqn->parked[ntohs(port) % LQ_PARKED_SLOTS];
}

/*
 * Whether anything is parked in the namespace, by a look without a lock. What was parked, or was to be,
 * before what the caller has looked at became as it is, is seen: a place comes before its listener goes.
 */
static inline bool lq_parked_any(const struct lq_net *lqn)
{
	smp_rmb(); /* the locks of lq_grace_publish() and of what goes then */
	return unlikely(READ_ONCE(lqn->parked_places));
}

/* @parked->lst listens still: its place, and whose it is. */
void lq_parked_init(struct lq_parked *parked);
/* Whether a listener at @port with the sock @sk is asked about an address that @parked has. */
bool lq_parked_meets(const struct lq_parked *parked, const struct lq_port *port,
		     const struct sock *sk);

/*
 * Softirqs off, RCU, @lst ends: its half-open @request is parked; or its connection @entry, which passed
 * the filter @passed and waits since @since_us, with the lock of @child held, and its callbacks its own.
 * False: there is no place for it, or no room: it is the caller's still.
 */
bool lq_park_request(struct lq_listener *lst, const struct lq_key *key, struct lq_request *request);
bool lq_park_child(struct lq_listener *lst, const struct lq_key *key, struct lq_request *entry,
		   struct sock *child, u8 passed, u32 since_us);
/* Any context: one of them is parked no more. */
static inline void lq_parked_less(struct lq_net *lqn)
{
	atomic_dec(&lqn->parked_entries);
}

/*
 * Softirq, RCU. A SYN of @key for @port came to nobody, or to @sk, which is none of ours: whether it
 * goes unanswered, as its client is to try again.
 */
bool lq_park_takes_syn(struct lq_net *lqn, const struct sock *sk, __be16 port,
		       const struct lq_key *key);
/* The same of an ACK or RST that nobody has; LQ_RECEIVED_PASS or LQ_RECEIVED_DROP. */
enum lq_received lq_park_ack(struct lq_net *lqn, struct sk_buff *skb, struct lq_ack *ack);

#endif
