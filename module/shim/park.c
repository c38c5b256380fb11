// SPDX-License-Identifier: GPL-2.0
/*
 * The parking places of a namespace: what a listener had as it ended, and nobody else of its owner was
 * there to take. A place is a core without a socket: it keeps half-open requests and connections as a
 * listener would, and no more of them than fit into that one's queues.
 *
 * Segments that nobody has are looked at here before TCP answers them with RST: a SYN goes unanswered;
 * an ACK of a half-open request, or one that brings a good cookie, too, and is remembered. Data of a
 * connection comes to its child, which is TCP's, and waits there.
 *
 * Locking: lq_net.parked_lock for the lists, parked->lock for the core; never another shard's lock
 * meanwhile. A place is found and used under RCU: one that is being handed over takes nothing more.
 */
#include "../compat/compat.h"
#include "clock.h"
#include "cookie.h"
#include "park.h"
#include "ports.h"
#include "request.h"
#include "segment.h"

/* --- where --- */

void lq_parked_init(struct lq_parked *parked)
{
	const struct sock *sk = parked->lst->sk;

	parked->port = parked->lst->port;
	parked->uid = sk->sk_uid;
	parked->ifindex = READ_ONCE(sk->sk_bound_dev_if);
	parked->v6 = sk->sk_family == AF_INET6;
#if IS_ENABLED(CONFIG_IPV6)
	parked->v6only = parked->v6 && ipv6_only_sock(sk);
#endif
}

static bool lq_place_any(const struct lq_place *place)
{
	return !(place->addr[0] | place->addr[1] | place->addr[2] | place->addr[3]);
}

/* As lq_listens_at() of the socket that there was. */
static bool lq_parked_listened(const struct lq_parked *parked, __be16 port,
			       const struct lq_key *key)
{
	const struct lq_place *place = &parked->port->place;

	if (place->port != (__force u16)port)
		return false;
	if (key->v6)
		return parked->v6 && (lq_place_any(place) ||
				      !memcmp(place->addr, &key->addr[4], sizeof(place->addr)));
	return !parked->v6only && (lq_place_any(place) || place->addr[3] == key->addr[1]);
}

/* Whether a segment of @key for @port would have come to it. */
static bool lq_parked_at(const struct lq_parked *parked, __be16 port, const struct lq_key *key)
{
	return lq_parked_listened(parked, port, key) &&
	       (!parked->ifindex || parked->ifindex == key->ifindex ||
		parked->ifindex == key->l3_ifindex);
}

bool lq_parked_meets(const struct lq_parked *parked, const struct lq_port *port,
		     const struct sock *sk)
{
	const struct lq_place *ours = &parked->port->place, *theirs = &port->place;

	if (ours->port != theirs->port ||
	    parked->ifindex != READ_ONCE(sk->sk_bound_dev_if))
		return false;
#if IS_ENABLED(CONFIG_IPV6)
	if ((parked->v6only && sk->sk_family == AF_INET) ||
	    (!parked->v6 && sk->sk_family == AF_INET6 && ipv6_only_sock(sk)))
		return false;
#endif
	return lq_place_any(ours) || lq_place_any(theirs) ||
	       !memcmp(ours->addr, theirs->addr, sizeof(ours->addr));
}

/* --- what is parked --- */

/* What all places of the namespace hold; where its settings are a user's own, no more than the machine's. */
static u32 lq_parked_total(const struct lq_net *lqn)
{
	const u32 own = READ_ONCE(lqn->sysctls.grace_total);

	return lqn->net->user_ns == &init_user_ns
		       ? own : min_t(u32, own, READ_ONCE(lq_net(&init_net)->sysctls.grace_total));
}

static bool lq_parked_more(struct lq_net *lqn)
{
	if (atomic_inc_return(&lqn->parked_entries) <= lq_parked_total(lqn))
		return true;
	lq_parked_less(lqn);
	return false;
}

/* The place for a connection of @key of @lst, which ends, or NULL. */
static struct lq_parked *lq_parked_find(struct lq_listener *lst, const struct lq_key *key)
{
	const __be16 port = inet_sk(lst->sk)->inet_sport;
	struct lq_parked *parked;

	hlist_for_each_entry_rcu(parked, lq_parked_slot(lst->lqn, port), by_port) {
		if (uid_eq(parked->uid, lst->sk->sk_uid) &&
		    parked->ifindex == READ_ONCE(lst->sk->sk_bound_dev_if) &&
		    lq_parked_listened(parked, port, key))
			return parked;
	}
	return NULL;
}

static bool lq_parked_count(struct lq_listener *lst, enum lq_inherited inherited)
{
	if (inherited == LQ_INHERITED_QUEUED)
		lq_listener_event(lst, LISTENQ_EVENT_PARKED);
	else
		lq_parked_less(lst->lqn);
	return inherited == LQ_INHERITED_QUEUED;
}

bool lq_park_request(struct lq_listener *lst, const struct lq_key *key, struct lq_request *request)
{
	struct lq_parked *parked = lq_parked_find(lst, key);
	enum lq_inherited inherited;

	if (!parked || !lq_parked_more(lst->lqn))
		return false;
	/* Two that ended at once share a place; without memory the ACK finds it by its address alone. */
	if (unlikely(parked->lst != lst))
		lq_ports_alias_parked(&lst->lqn->ports, lst->port, parked->port);
	spin_lock(&parked->lock);
	inherited = lq_core_inherit_request(parked->core, key, request);
	spin_unlock(&parked->lock);
	return lq_parked_count(lst, inherited);
}

bool lq_park_child(struct lq_listener *lst, const struct lq_key *key, struct lq_request *entry,
		   struct sock *child, u8 passed, u32 since_us)
{
	struct lq_parked *parked = lq_parked_find(lst, key);
	enum lq_inherited inherited;

	if (!parked || !lq_parked_more(lst->lqn))
		return false;
	spin_lock(&parked->lock);
	inherited = lq_core_inherit(parked->core, entry, child, LQ_FILTER_NONE, since_us,
				    lq_now_us());
	/* No filter reads it here: what the next one asks. */
	if (inherited == LQ_INHERITED_QUEUED)
		entry->filter.kind = passed;
	spin_unlock(&parked->lock);
	return lq_parked_count(lst, inherited);
}

/* --- segments --- */

bool lq_park_takes_syn(struct lq_net *lqn, const struct sock *sk, __be16 port,
		       const struct lq_key *key)
{
	struct lq_parked *parked;

	hlist_for_each_entry_rcu(parked, lq_parked_slot(lqn, port), by_port) {
		/* TCP finds the one that ends until it has closed. */
		if ((!sk || sk == parked->lst->sk) && lq_parked_at(parked, port, key))
			return true;
	}
	return false;
}

static enum lq_parked_verdict lq_parked_ask(struct lq_parked *parked, struct sk_buff *skb,
				    struct lq_ack *ack)
{
	const unsigned int length = skb->len;
	struct lq_request *freed;
	enum lq_parked_verdict said;
	bool known;

	spin_lock(&parked->lock);
	known = lq_core_has_request(parked->core, &ack->key);
	spin_unlock(&parked->lock);
	/* What has side effects runs only for what is ours. */
	if (known && !lq_segment_acceptable(parked->lst->sk, skb, ack->key.v6))
		return LQ_PARKED_PASS;
	if (unlikely(skb->len != length))
		lq_ack_read(ack, skb);
	ack->cookies_recent = lq_cookies_recent(parked->lst->lqn, ack->local_port, ack->now_s);
	spin_lock(&parked->lock);
	said = lq_core_parked_ack(parked->core, ack, &freed);
	spin_unlock(&parked->lock);
	if (freed) {
		lq_parked_less(parked->lst->lqn);
		lq_request_free(freed);
	}
	return said;
}

enum lq_received lq_park_ack(struct lq_net *lqn, struct sk_buff *skb, struct lq_ack *ack)
{
	const __be16 port = tcp_hdr(skb)->dest;
	struct lq_parked *parked;

	hlist_for_each_entry_rcu(parked, lq_parked_slot(lqn, port), by_port) {
		if (lq_parked_at(parked, port, &ack->key) &&
		    lq_parked_ask(parked, skb, ack) == LQ_PARKED_KEPT)
			return LQ_RECEIVED_DROP;
	}
	return LQ_RECEIVED_PASS;
}
