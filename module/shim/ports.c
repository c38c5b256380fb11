// SPDX-License-Identifier: GPL-2.0
/*
 * Which listeners are at an address and port of a network namespace.
 *
 * A segment without a socket looks at one bit of its port, and only where one of ours listens into
 * a table by address and port, so that nobody pays for listeners elsewhere. The tables grow with
 * what they hold (rhashtable), and their hash is secret.
 *
 * By tag: each place has a number of ten bits that its SYN-ACKs carry (lq_core_isn()), so that an
 * ACK finds the member of an SO_REUSEPORT group that holds its request without asking all of them.
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "../bridge/segment.h"
#include "listener.h"
#include "ports.h"

#define LQ_PORT_COUNT 65536

/* Odd or even, random all the same: pair-multiply-shift is strongly universal. */
static u64 lq_port_secret[6] __read_mostly;

void lq_ports_init_secret(void)
{
	get_random_bytes(lq_port_secret, sizeof(lq_port_secret));
}

/* rhashtable draws a new seed when chains grow long. */
static __always_inline u32 lq_place_hash(const void *data, u32 length, u32 seed)
{
	const struct lq_place *place = data;
	const u64 *k = lq_port_secret;

	return ((place->port + k[0]) * (seed + k[1]) +
		(place->addr[0] + k[2]) * (place->addr[1] + k[3]) +
		(place->addr[2] + k[4]) * (place->addr[3] + k[5])) >> 32;
}

static __always_inline u32 lq_tag_hash(const void *data, u32 length, u32 seed)
{
	return ((*(const u32 *)data + lq_port_secret[0]) * (seed + lq_port_secret[1])) >> 32;
}

/* rhashtable_compare.key against an entry: 0 if equal. */
static __always_inline int lq_place_differs(struct rhashtable_compare_arg *arg, const void *entry)
{
	const struct lq_place *a = arg->key, *b = &((const struct lq_port *)entry)->place;

	return (a->port ^ b->port) | (a->addr[0] ^ b->addr[0]) | (a->addr[1] ^ b->addr[1]) |
	       (a->addr[2] ^ b->addr[2]) | (a->addr[3] ^ b->addr[3]);
}

static __always_inline int lq_tag_differs(struct rhashtable_compare_arg *arg, const void *entry)
{
	return *(const u32 *)arg->key ^ ((const struct lq_port *)entry)->tag;
}

static const struct rhashtable_params lq_place_params = {
	.key_len = sizeof(struct lq_place),
	.key_offset = offsetof(struct lq_port, place),
	.head_offset = offsetof(struct lq_port, by_place),
	.hashfn = lq_place_hash,
	.obj_cmpfn = lq_place_differs,
	.automatic_shrinking = true,
};

static const struct rhashtable_params lq_tag_params = {
	.key_len = sizeof(u32),
	.key_offset = offsetof(struct lq_port, tag),
	.head_offset = offsetof(struct lq_port, by_tag),
	.hashfn = lq_tag_hash,
	.obj_cmpfn = lq_tag_differs,
	.automatic_shrinking = true,
};

static u32 lq_tag_of(__be16 port, u32 tag)
{
	return (__force u16)port | tag << 16;
}

int lq_ports_init(struct lq_ports *ports)
{
	int err = rhltable_init(&ports->places, &lq_place_params);

	if (err)
		return err;
	err = rhltable_init(&ports->tags, &lq_tag_params);
	if (err) {
		rhltable_destroy(&ports->places);
		return err;
	}
	spin_lock_init(&ports->lock);
	xa_init(&ports->counts);
	return 0;
}

void lq_ports_exit(struct lq_ports *ports)
{
	rhltable_destroy(&ports->tags);
	rhltable_destroy(&ports->places);
	xa_destroy(&ports->counts);
	kvfree(ports->map);
}

static bool lq_place_is_any(const struct lq_place *place)
{
	return !(place->addr[0] | place->addr[1] | place->addr[2] | place->addr[3]);
}

static void lq_place_v4(struct lq_place *place, u32 addr)
{
	place->addr[2] = (__force u32)htonl(0xffff);
	place->addr[3] = addr;
}

static struct lq_place lq_place_of(const struct sock *sk)
{
	struct lq_place place = { .port = (__force u16)inet_sk(sk)->inet_sport };

#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6)
		memcpy(place.addr, &sk->sk_v6_rcv_saddr, sizeof(place.addr));
	else
#endif
	if (inet_sk(sk)->inet_rcv_saddr)
		lq_place_v4(&place, (__force u32)inet_sk(sk)->inet_rcv_saddr);
	return place;
}

/* What lq_ports.counts has for a port: its listeners, and above them what is parked there. */
#define LQ_COUNT_PARKED (1L << (BITS_PER_LONG == 64 ? 32 : 20))

/* One more listener at its port, or one less; LQ_COUNT_PARKED: parked. ports->lock. */
static int lq_ports_count(struct lq_ports *ports, __be16 port, long change)
{
	const unsigned long index = ntohs(port);
	const unsigned long count = xa_to_value(xa_load(&ports->counts, index)) + change;
	int err = 0;

	if (count)
		err = xa_err(xa_store(&ports->counts, index, xa_mk_value(count), GFP_ATOMIC));
	else
		xa_erase(&ports->counts, index);
	if (err)
		return err;
	/* In no order with the tables: a bit without an entry, and the other way round, is before listen(). */
	if (count)
		set_bit(index, ports->map);
	else
		clear_bit(index, ports->map);
	return 0;
}

static void lq_ports_kind(struct lq_ports *ports, const struct lq_port *port, int change)
{
	u32 *count = lq_place_is_any(&port->place) ? &ports->any : &ports->particular;

	WRITE_ONCE(*count, *count + change);
}

static u32 lq_ports_at(struct lq_ports *ports, __be16 port)
{
	return xa_to_value(xa_load(&ports->counts, ntohs(port))) & (LQ_COUNT_PARKED - 1);
}

/* ports->lock: @port was put into the tables, or is about to leave them. */
static void lq_ports_alone_update(struct lq_ports *ports, struct lq_port *port, bool comes)
{
	const __be16 number = (__force __be16)port->place.port;
	struct lq_port __rcu **slot = &ports->alone[ntohs(number) % LQ_PORT_SLOTS];
	struct lq_port *there = rcu_dereference_protected(*slot, lockdep_is_held(&ports->lock));

	/*
	 * In no order with the tables: who still sees one that is alone is as one who came before, and who
	 * sees none any more asks the tables, which have or had it.
	 */
	if (there && there->place.port == port->place.port)
		RCU_INIT_POINTER(*slot, NULL);
	else if (comes && !there && lq_ports_at(ports, number) == 1)
		rcu_assign_pointer(*slot, port);
}

/* ports->lock. */
static int lq_ports_insert(struct lq_ports *ports, struct lq_port *port)
{
	const __be16 number = (__force __be16)port->place.port;
	int err;

	port->tag = lq_tag_of(number, ports->next_tag++ % LQ_ISN_TAGS);
	/* Before a SYN can find it: the SYN-ACK is to carry no other. */
	WRITE_ONCE(port->lst->isn_tag, port->tag >> 16);
	err = lq_ports_count(ports, number, 1);
	if (err)
		return err;
	err = rhltable_insert(&ports->tags, &port->by_tag, lq_tag_params);
	if (err)
		goto uncount;
	err = rhltable_insert(&ports->places, &port->by_place, lq_place_params);
	if (err)
		goto untag;
	port->placed = true;
	lq_ports_kind(ports, port, 1);
	lq_ports_alone_update(ports, port, true);
	return 0;

untag:
	rhltable_remove(&ports->tags, &port->by_tag, lq_tag_params);
uncount:
	lq_ports_count(ports, number, -1);
	return err;
}

static int lq_ports_make_map(struct lq_ports *ports)
{
	unsigned long *map;

	if (READ_ONCE(ports->map))
		return 0;
	map = kvzalloc(BITS_TO_LONGS(LQ_PORT_COUNT) * sizeof(long), GFP_KERNEL);
	if (!map)
		return -ENOMEM;
	/* Of two that come first, one is enough. */
	if (cmpxchg(&ports->map, NULL, map))
		kvfree(map);
	return 0;
}

int lq_ports_add(struct lq_ports *ports, struct lq_listener *lst)
{
	struct lq_port *port;
	int err = lq_ports_make_map(ports);

	if (err)
		return err;
	port = kzalloc(sizeof(*port), GFP_KERNEL_ACCOUNT);
	if (!port)
		return -ENOMEM;
	port->lst = lst;
	port->place = lq_place_of(lst->sk);
	spin_lock(&ports->lock);
	err = lq_ports_insert(ports, port);
	if (!err)
		WRITE_ONCE(lst->port, port);
	spin_unlock(&ports->lock);
	if (err) {
		kfree_rcu(port, rcu);
		return err;
	}
	return 0;
}

/* ports->lock. */
static void lq_ports_leave_locked(struct lq_ports *ports, struct lq_port *port)
{
	if (!port->placed)
		return;
	port->placed = false;
	lq_ports_alone_update(ports, port, false);
	rhltable_remove(&ports->places, &port->by_place, lq_place_params);
	lq_ports_kind(ports, port, -1);
	/* One less asks for no memory: the entry of the port is there. */
	lq_ports_count(ports, (__force __be16)port->place.port, -1);
}

bool lq_ports_leave(struct lq_ports *ports, struct lq_listener *lst)
{
	bool others = false;

	if (!lst->port)
		return false;
	spin_lock(&ports->lock);
	lq_ports_leave_locked(ports, lst->port);
	others = lq_ports_at(ports, (__force __be16)lst->port->place.port);
	spin_unlock(&ports->lock);
	return others;
}

/* ports->lock: its tag, and those of its aliases, are forgotten; @port is freed. */
static void lq_ports_forget_locked(struct lq_ports *ports, struct lq_port *port)
{
	struct lq_port *alias;

	rhltable_remove(&ports->tags, &port->by_tag, lq_tag_params);
	while ((alias = port->aliases)) {
		port->aliases = alias->aliases;
		rhltable_remove(&ports->tags, &alias->by_tag, lq_tag_params);
		kfree_rcu(alias, rcu);
	}
	kfree_rcu(port, rcu);
}

void lq_ports_remove(struct lq_ports *ports, struct lq_listener *lst)
{
	struct lq_port *port = lst->port;

	if (!port)
		return;
	spin_lock(&ports->lock);
	WRITE_ONCE(lst->port, NULL);
	lq_ports_leave_locked(ports, port);
	lq_ports_forget_locked(ports, port);
	spin_unlock(&ports->lock);
}

int lq_ports_park(struct lq_ports *ports, struct lq_port *port)
{
	int err;

	spin_lock(&ports->lock);
	err = lq_ports_count(ports, (__force __be16)port->place.port, LQ_COUNT_PARKED);
	port->parked = !err;
	spin_unlock(&ports->lock);
	return err;
}

void lq_ports_unpark_only(struct lq_ports *ports, struct lq_port *port)
{
	spin_lock(&ports->lock);
	lq_ports_count(ports, (__force __be16)port->place.port, -LQ_COUNT_PARKED);
	port->parked = false;
	spin_unlock(&ports->lock);
}

void lq_ports_keep(struct lq_ports *ports, struct lq_listener *lst)
{
	spin_lock(&ports->lock);
	lq_ports_leave_locked(ports, lst->port);
	WRITE_ONCE(lst->port, NULL);
	spin_unlock(&ports->lock);
}

void lq_ports_unpark(struct lq_ports *ports, struct lq_port *port)
{
	spin_lock(&ports->lock);
	lq_ports_count(ports, (__force __be16)port->place.port, -LQ_COUNT_PARKED);
	lq_ports_forget_locked(ports, port);
	spin_unlock(&ports->lock);
}

/* ports->lock: one alias more of @heir, for @tag; the oldest goes if there are too many. */
static int lq_ports_alias_add(struct lq_ports *ports, struct lq_port *heir, u32 tag)
{
	struct lq_port **link = &heir->aliases, *alias;
	u32 count = 0;

	for (alias = heir->aliases; alias; alias = alias->aliases) {
		if (alias->tag == tag)
			return 0;
	}
	alias = kzalloc(sizeof(*alias), GFP_ATOMIC | __GFP_NOWARN);
	if (!alias)
		return -ENOMEM;
	alias->lst = heir->lst;
	alias->place = heir->place;
	alias->tag = tag;
	if (rhltable_insert(&ports->tags, &alias->by_tag, lq_tag_params)) {
		kfree(alias);
		return -ENOMEM;
	}
	alias->aliases = heir->aliases;
	heir->aliases = alias;
	while (*link && ++count <= LQ_PORT_ALIASES)
		link = &(*link)->aliases;
	alias = *link;
	if (!alias)
		return 0;
	*link = NULL;
	rhltable_remove(&ports->tags, &alias->by_tag, lq_tag_params);
	kfree_rcu(alias, rcu);
	return 0;
}

/* ports->lock. */
static int lq_ports_alias_all(struct lq_ports *ports, const struct lq_port *from,
			      struct lq_port *to)
{
	u32 tags[LQ_PORT_ALIASES], count = 0;
	const struct lq_port *alias;
	int err = -ENOENT;

	if (to && (to->placed || to->parked)) {
		for (alias = from->aliases; alias; alias = alias->aliases)
			tags[count++] = alias->tag;
		/* The oldest first, its own last: what is too many is old. */
		for (err = 0; !err && count > 0; count--)
			err = lq_ports_alias_add(ports, to, tags[count - 1]);
		if (!err)
			err = lq_ports_alias_add(ports, to, from->tag);
	}
	return err;
}

int lq_ports_alias(struct lq_ports *ports, const struct lq_port *from, struct lq_listener *heir)
{
	int err;

	spin_lock(&ports->lock);
	err = lq_ports_alias_all(ports, from, READ_ONCE(heir->port));
	spin_unlock(&ports->lock);
	return err;
}

int lq_ports_alias_parked(struct lq_ports *ports, const struct lq_port *from, struct lq_port *to)
{
	int err;

	spin_lock(&ports->lock);
	err = lq_ports_alias_all(ports, from, to);
	spin_unlock(&ports->lock);
	return err;
}

/* Flat: hash and comparison are a few instructions, which calls by pointer would be many times. */
__flatten struct rhlist_head *lq_ports_any(struct lq_ports *ports, __be16 port)
{
	const struct lq_place place = { .port = (__force u16)port };

	if (!READ_ONCE(ports->any))
		return NULL;
	return rhltable_lookup(&ports->places, &place, lq_place_params);
}

__flatten struct rhlist_head *lq_ports_particular(struct lq_ports *ports, __be16 port,
						  const struct lq_key *key)
{
	struct lq_place place = { .port = (__force u16)port };

	if (!READ_ONCE(ports->particular))
		return NULL;
	if (key->v6)
		memcpy(place.addr, &key->addr[4], sizeof(place.addr));
	else
		lq_place_v4(&place, key->addr[1]);
	return rhltable_lookup(&ports->places, &place, lq_place_params);
}

struct rhlist_head *lq_ports_at_place(struct lq_ports *ports, const struct lq_place *place)
{
	return rhltable_lookup(&ports->places, place, lq_place_params);
}

__flatten struct rhlist_head *lq_ports_tagged(struct lq_ports *ports, __be16 port, u16 tag)
{
	const u32 key = lq_tag_of(port, tag);

	return rhltable_lookup(&ports->tags, &key, lq_tag_params);
}
