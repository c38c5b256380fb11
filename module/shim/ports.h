/* SPDX-License-Identifier: GPL-2.0 */
/* Which listeners are at an address and port of a network namespace. */
#ifndef LISTENQ_PORTS_H
#define LISTENQ_PORTS_H

#include <linux/rhashtable.h>

#include "../bridge/core.h"

struct lq_listener;
struct lq_net;

/* Where a listener is: IPv4 addresses as IPv6 has them (RFC 4291 2.5.5.2), any address is all zeros. */
struct lq_place {
	u32 port; /* network byte order, in the low 16 bits */
	u32 addr[4]; /* network byte order */
};

/*
 * One listener at one place, from listen() until it stops. A listener that listens again gets
 * another: a reader that is at the old one stays in the list that it walks. Freed by RCU.
 */
struct lq_port {
	struct rhlist_head by_place; /* lq_ports.places */
	struct rhlist_head by_tag;   /* lq_ports.tags */
	struct lq_listener *lst;     /* lives as long as readers under RCU */
	struct lq_place place;
	u32 tag; /* the port, and in the high bits what the numbers of its SYN-ACKs say */
	bool placed; /* lq_ports.lock; in lq_ports.places: SYNs find it */
	bool parked; /* lq_ports.lock; what its listener had is parked, or is to be: park.h */
	struct lq_port *aliases; /* lq_ports.lock; the newest first, in lq_ports.tags only */
	struct rcu_head rcu;
};

/* Whose half-open requests a listener has beside its own: so many that ended before it. */
#define LQ_PORT_ALIASES 8

/* Ports with a single listener, which is found without the tables: by a few bits of the port. */
#define LQ_PORT_SLOTS 256

/* Of one namespace. */
struct lq_ports {
	unsigned long *map;	 /* a bit for each port where one of ours listens; NULL: none ever did */
	u32 any;		 /* how many listen at any address; READ_ONCE() */
	u32 particular;		 /* how many at a particular address; READ_ONCE() */
	struct rhltable places;  /* struct lq_port by place */
	struct rhltable tags;	 /* struct lq_port by tag */
	spinlock_t lock;	 /* writers; process context, not preempted */
	struct xarray counts;	 /* lock; how many are at a port, by that in host byte order */
	u32 next_tag;		 /* lock */
	/*
	 * A listener that is alone at its port, for those that look: the tables need not be asked.
	 * Of several such ports the one that came first. Written under lock; RCU.
	 */
	struct lq_port __rcu *alone[LQ_PORT_SLOTS];
};

/* RCU: the only listener of ours at @port (network byte order), if lq_ports.alone has it, or NULL. */
static __always_inline struct lq_port *lq_ports_alone(const struct lq_ports *ports, __be16 port)
{
	struct lq_port *alone = rcu_dereference(ports->alone[ntohs(port) % LQ_PORT_SLOTS]);

	return alone && alone->place.port == (__force u16)port ? alone : NULL;
}

void lq_ports_init_secret(void); /* once, before the first namespace */
int lq_ports_init(struct lq_ports *ports);
void lq_ports_exit(struct lq_ports *ports); /* no listener is left */

/* Process context: @lst, whose sock has its port, is found from now on. -ENOMEM, -E2BIG. */
int lq_ports_add(struct lq_ports *ports, struct lq_listener *lst);
/*
 * Process context: @lst is not found any more, but by readers under way. Harmless if it was not.
 * lq_ports_leave(): only ACKs find it, by the tag. True: others of ours are at the port.
 */
bool lq_ports_leave(struct lq_ports *ports, struct lq_listener *lst);
void lq_ports_remove(struct lq_ports *ports, struct lq_listener *lst);
/*
 * Process context, softirqs off or not: ACKs for requests of @from, which has left, find @heir, too.
 * -ENOENT: that has left, too; -ENOMEM.
 */
int lq_ports_alias(struct lq_ports *ports, const struct lq_port *from, struct lq_listener *heir);
/*
 * Process context. What the listener of @port has is to be parked: segments for the port come to us
 * until lq_ports_unpark(), which frees @port. -ENOMEM: nothing changed.
 */
int lq_ports_park(struct lq_ports *ports, struct lq_port *port);
void lq_ports_unpark(struct lq_ports *ports, struct lq_port *port);
/* The same, but @port is its listener's still, and stays. */
void lq_ports_unpark_only(struct lq_ports *ports, struct lq_port *port);
/* Process context: the parked lst->port, by whose tag ACKs find what is parked, is no more @lst's. */
void lq_ports_keep(struct lq_ports *ports, struct lq_listener *lst);
/* As lq_ports_alias(), to another that is parked. */
int lq_ports_alias_parked(struct lq_ports *ports, const struct lq_port *from, struct lq_port *to);

/* Any context: whether a listener is at @port, or something is parked there (network byte order). */
static __always_inline bool lq_port_in_use(const struct lq_ports *ports, __be16 port)
{
	const unsigned long *map = READ_ONCE(ports->map);

	return map && test_bit(ntohs(port), map);
}

/* RCU: the listeners at @port of any address, or NULL; and at the address that @key is to. */
struct rhlist_head *lq_ports_any(struct lq_ports *ports, __be16 port);
struct rhlist_head *lq_ports_particular(struct lq_ports *ports, __be16 port,
					const struct lq_key *key);
/* RCU: the listeners at @place itself, or NULL. */
struct rhlist_head *lq_ports_at_place(struct lq_ports *ports, const struct lq_place *place);
/* RCU: the listeners at @port whose SYN-ACKs carry @tag. */
struct rhlist_head *lq_ports_tagged(struct lq_ports *ports, __be16 port, u16 tag);

#endif
