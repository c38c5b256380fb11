// SPDX-License-Identifier: GPL-2.0
/*
 * Who gets a segment for a port where one of ours listens: one of our
 * listeners, or TCP.
 *
 * First comes TCP's own look for a connection, whose result goes on to TCP with the segment, as
 * early demux would have it: a segment of a connection costs nothing more, and nothing of a listener's.
 *
 * What TCP checks before it lets a segment near a listener is checked here:
 * header, checksum, and, once the core knows the segment for its own, socket filter, IPsec policy,
 * minimum TTL (lq_segment_acceptable()). A segment that fails, or is malformed, is left to TCP,
 * which finds the listener and fails it the same way; a SYN comes back by the other door,
 * lq_conn_request().
 * Softirq, RCU; skb->data is at the TCP header.
 */
#include "../bridge/segment.h"
#include "../compat/compat.h"
#include "ack.h"
#include "listener.h"
#include "lookup.h"
#include "net.h"
#include "park.h"
#include "ports.h"
#include "receive.h"
#include "segment.h"
#include "syn.h"

/* Those whose SYN-ACK @ack may answer, by its tag. */
static struct rhlist_head *lq_ack_tagged(struct lq_net *lqn, const struct sk_buff *skb,
					 const struct lq_ack *ack)
{
	return lq_ports_tagged(&lqn->ports, tcp_hdr(skb)->dest,
			       lq_core_isn_tag(&lqn->keys, &ack->key, ack->local_port,
					       ack->ack_seq - 1));
}

/*
 * The listener that the ACK selects need not be the listener that the SYN selected: a listener at
 * the address, or a member of an SO_REUSEPORT group, came or went, or a program chose. The number
 * that the ACK acknowledges says which listener sent the SYN-ACK.
 */
static noinline enum lq_received lq_ack_try_tagged(struct lq_net *lqn, const struct lq_listener *not,
						   struct sk_buff *skb, struct lq_ack *ack)
{
	struct rhlist_head *at;
	enum lq_received result;
	struct lq_port *port;

	rhl_for_each_entry_rcu(port, at, lq_ack_tagged(lqn, skb, ack), by_tag) {
		if (port->lst == not || !lq_listens_at(port->lst->sk, &ack->key))
			continue;
		if (lq_ack_try(port->lst, skb, ack, false, &result) != LQ_ACK_UNKNOWN)
			return result;
	}
	return LQ_RECEIVED_PASS;
}

/*
 * An RST without ACK says nothing of who sent the SYN-ACK: where TCP's lookup has chosen between a
 * listener at the address and a listener at any address, ask the other.
 */
static noinline enum lq_received lq_ack_try_other_place(struct lq_net *lqn,
							const struct lq_listener *not,
							struct sk_buff *skb, struct lq_ack *ack)
{
	const __be16 number = tcp_hdr(skb)->dest;
	struct rhlist_head *const lists[] = {
		lq_ports_any(&lqn->ports, number),
		lq_ports_particular(&lqn->ports, number, &ack->key),
	};
	enum lq_received result;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		struct lq_listener *lst = NULL;

		if (lq_lookup_count(lists[i], &ack->key, 0, &lst) == 1 && lst != not &&
		    lq_ack_try(lst, skb, ack, false, &result) != LQ_ACK_UNKNOWN)
			return result;
	}
	return LQ_RECEIVED_PASS;
}

/*
 * What the tag of @ack leads to, by listeners that hand over what they have: on another CPU, with
 * softirqs off. The wait has a limit, lest a host that takes that CPU away takes this one, too; on
 * PREEMPT_RT we may be what keeps the other from going on.
 */
#define LQ_MOVE_LOOKS (IS_ENABLED(CONFIG_PREEMPT_RT) ? 1 : 100000)

static void lq_ack_wait_moved(struct lq_net *lqn, const struct sk_buff *skb,
			      const struct lq_ack *ack)
{
	struct rhlist_head *at;
	struct lq_port *port;
	u32 looks = 0;

	rhl_for_each_entry_rcu(port, at, lq_ack_tagged(lqn, skb, ack), by_tag) {
		while (smp_load_acquire(&port->lst->moving) && looks++ < LQ_MOVE_LOOKS)
			cpu_relax();
	}
}

/*
 * Nobody had the request, and requests of the namespace moved as we looked: it may have been in the
 * hands of heir.c, or have gone where we had been. Look again until nobody has begun to move meanwhile;
 * selftests/model/migration.pml says why that is enough. Rounds have a limit, lest whoever ends
 * listeners all the time makes us stay; beyond it TCP answers.
 */
#define LQ_MOVE_ROUNDS 16

static noinline enum lq_received lq_ack_try_moved(struct lq_net *lqn, struct sk_buff *skb,
						  struct lq_ack *ack)
{
	enum lq_received result = LQ_RECEIVED_PASS;
	struct lq_listener *lst;
	u32 round;
	int moves;
	bool only;

	for (round = 0; round < LQ_MOVE_ROUNDS; round++) {
		moves = atomic_read_acquire(&lqn->moves);
		lq_ack_wait_moved(lqn, skb, ack);
		lst = lq_lookup_holder(lqn, skb, &ack->key, &only);
		if (lst && lq_ack_try(lst, skb, ack, only, &result) != LQ_ACK_UNKNOWN)
			return result;
		result = lq_ack_try_tagged(lqn, lst, skb, ack);
		if (result == LQ_RECEIVED_PASS && lq_parked_any(lqn))
			result = lq_park_ack(lqn, skb, ack);
		if (result != LQ_RECEIVED_PASS || atomic_read(&lqn->moves) == moves)
			break;
	}
	return result;
}

/*
 * Whether the request of an ACK that nobody has may be parked, or on its way: what had begun to move by
 * now was not over when the look began, which saw @moved moves done.
 */
static __always_inline bool lq_request_elsewhere(const struct lq_net *lqn, int moved)
{
	smp_rmb();
	return unlikely(atomic_read(&lqn->moves) != moved) || lq_parked_any(lqn);
}

static noinline enum lq_received lq_rst_try_others(struct lq_net *lqn,
						   const struct lq_listener *not, bool only,
						   struct sk_buff *skb, struct lq_ack *ack)
{
	enum lq_received result = LQ_RECEIVED_PASS;

	if (!only)
		result = lq_ack_try_other_place(lqn, not, skb, ack);
	if (result == LQ_RECEIVED_PASS && lq_parked_any(lqn) && !skb->sk)
		result = lq_park_ack(lqn, skb, ack);
	return result;
}

/* @ack: its key is known. */
static __always_inline enum lq_received lq_ack_for(struct lq_net *lqn, struct sk_buff *skb,
						   struct lq_ack *ack)
{
	const int moved = atomic_read_acquire(&lqn->moved);
	struct lq_listener *lst;
	enum lq_received result;
	bool only = false;

	/* Transparent proxies and BPF hand over the listener itself. */
	if (skb->sk)
		lst = lq_listener_of(skb->sk);
	else if (lq_connection_demux(lqn->net, skb, &ack->key))
		return LQ_RECEIVED_PASS;
	else
		lst = lq_lookup_holder(lqn, skb, &ack->key, &only);
	if (lq_segment_signed(tcp_hdr(skb)))
		return LQ_RECEIVED_PASS;
	lq_ack_read(ack, skb);
	if (lst && lq_ack_try(lst, skb, ack, only, &result) != LQ_ACK_UNKNOWN)
		return result;
	if (!ack->ack)
		return lq_rst_try_others(lqn, lst, only, skb, ack);
	result = only ? LQ_RECEIVED_PASS : lq_ack_try_tagged(lqn, lst, skb, ack);
	/* Last, as it may have begun to move behind each look; and before, where only one could have it. */
	if (result == LQ_RECEIVED_PASS && lq_request_elsewhere(lqn, moved) && !skb->sk)
		return lq_ack_try_moved(lqn, skb, ack);
	return result;
}

/* A SYN that may be for a socket of others is left to TCP. @in: all is known but the TCP header. */
static __always_inline enum lq_received lq_syn_for(struct lq_net *lqn, struct sk_buff *skb,
						   struct lq_syn_in *in)
{
	const struct lq_key *key = &in->syn.key;
	struct sock *sk = skb->sk;
	struct lq_listener *lst;

	/* There is a connection, or a pair in TIME_WAIT. */
	if (!sk && lq_connection_demux(lqn->net, skb, key))
		return LQ_RECEIVED_PASS;
	if (!sk)
		sk = lq_lookup_listener(lqn, skb, key);
	lst = sk ? lq_listener_of(sk) : NULL;
	if (!lst && lq_parked_any(lqn) &&
	    lq_park_takes_syn(lqn, sk, tcp_hdr(skb)->dest, key))
		return LQ_RECEIVED_DROP;
	if (!lst || !lq_listener_port(lst, tcp_hdr(skb)) || lq_syn_released(lst, key) ||
	    !lq_segment_acceptable(sk, skb, key->v6))
		return LQ_RECEIVED_PASS;
	__TCP_INC_STATS(lqn->net, TCP_MIB_INSEGS);
	in->skb = skb;
	in->th = tcp_hdr(skb);
	in->tw_isn = 0;
	in->consume = true;
	lq_syn_receive(lst, in);
	return LQ_RECEIVED_TAKEN;
}

static __always_inline enum lq_received lq_receive(struct lq_net *lqn, struct sk_buff *skb,
						   const bool v6)
{
	struct lq_syn_in in LQ_UNINITIALIZED;
	struct lq_ack ack LQ_UNINITIALIZED;

	switch (lq_segment_kind(skb, v6)) {
	case LQ_SYN:
		lq_segment_key(&in.syn.key, skb, v6);
		in.dsfield = lq_segment_dsfield(skb, v6);
		in.l3_slave = false;
#if IS_ENABLED(CONFIG_IPV6)
		if (v6)
			in.l3_slave = ipv6_l3mdev_skb(IP6CB(skb)->flags);
#endif
		return lq_syn_for(lqn, skb, &in);
	case LQ_ACK:
		lq_segment_key(&ack.key, skb, v6);
		return lq_ack_for(lqn, skb, &ack);
	case LQ_OTHER:
		break;
	}
	return LQ_RECEIVED_PASS;
}

enum lq_received lq_receive_v4(struct lq_net *lqn, struct sk_buff *skb)
{
	return lq_receive(lqn, skb, false);
}

#if IS_ENABLED(CONFIG_IPV6)
enum lq_received lq_receive_v6(struct lq_net *lqn, struct sk_buff *skb)
{
	return lq_receive(lqn, skb, true);
}
#endif
