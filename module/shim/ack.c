// SPDX-License-Identifier: GPL-2.0
/*
 * An ACK or RST arrived and found a listener of ours: its request is looked up,
 * and the core's verdict carried out. Softirq, RCU; receive.c calls.
 */
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "../compat/compat.h"
#include "ack.h"
#include "child.h"
#include "cookie.h"
#include "drop.h"
#include "event.h"
#include "listener.h"
#include "lookup.h"
#include "request.h"
#include "segment.h"
#include "settings.h"
#include "shard.h"
#include "synack.h"
#include "timer.h"

/* Out of line: it is rare, and what the final ACK runs through stays short. */
static noinline void lq_ack_arm_locked(struct lq_shard *shard)
{
	lq_timer_arm_locked(shard, lq_core_due(shard->core));
}

static __always_inline enum lq_ack_verdict lq_ack_ask(struct lq_shard *shard, struct lq_ack *ack,
						      union lq_request_copy *copy,
						      struct lq_promotion *promotion,
						      struct lq_request **freed)
{
	enum lq_ack_verdict verdict;

	spin_lock(&shard->lock);
	lq_shard_accept_done_locked(shard);
	verdict = lq_core_ack(shard->core, ack, copy, promotion, freed);
	if (verdict == LQ_ACK_CHALLENGE || verdict == LQ_ACK_DUPLICATE)
		lq_ack_arm_locked(shard);
	spin_unlock(&shard->lock);
	return verdict;
}

/*
 * Another CPU is building the child, in softirq: TCP would have this one wait for the child's
 * lock. A dropped data segment costs the peer an RTO, and an RST does not come again. So look,
 * as a spinlock does, until TCP's lookup finds the child, or the request has none after all.
 * LQ_WAIT_ASKS is far beyond what that takes, and there lest a host that takes the other CPU
 * away takes this one, too; on PREEMPT_RT we may be what keeps the other from going on.
 */
#define LQ_WAIT_LOOKS 64
#define LQ_WAIT_ASKS (IS_ENABLED(CONFIG_PREEMPT_RT) ? 1 : 10000)

static noinline enum lq_ack_verdict lq_ack_wait(struct lq_shard *shard, const struct sk_buff *skb,
						struct lq_ack *ack, union lq_request_copy *copy,
						struct lq_promotion *promotion,
						struct lq_request **freed)
{
	struct net *net = sock_net(shard->lst->sk);
	enum lq_ack_verdict verdict;
	unsigned int ask, look;

	for (ask = 1; ask <= LQ_WAIT_ASKS; ask++) {
		for (look = 0; look < LQ_WAIT_LOOKS; look++) {
			if (lq_connection_exists(net, skb, &ack->key))
				return LQ_ACK_PASS;
			cpu_relax();
		}
		ack->waited = ask == LQ_WAIT_ASKS;
		verdict = lq_ack_ask(shard, ack, copy, promotion, freed);
		if (verdict != LQ_ACK_WAIT)
			break;
	}
	return verdict;
}

/*
 * Ask until the answer is one to carry out: false, if TCP's checks do not let the segment near a
 * listener, and nothing was done.
 */
static __always_inline bool lq_ack_vet(struct lq_shard *shard, struct sk_buff *skb,
				       struct lq_ack *ack, union lq_request_copy *copy,
				       struct lq_promotion *promotion, struct lq_request **freed,
				       enum lq_ack_verdict *verdict)
{
	struct sock *sk = shard->lst->sk;
	const unsigned int length = skb->len;
	bool good;

	if (*verdict == LQ_ACK_WAIT)
		*verdict = lq_ack_wait(shard, skb, ack, copy, promotion, freed);
	if (*verdict != LQ_ACK_VET && *verdict != LQ_ACK_PROMOTE)
		return true;
	good = lq_segment_acceptable(sk, skb, ack->key.v6);
	if (likely(good && *verdict == LQ_ACK_PROMOTE && skb->len == length))
		return true;
	/* Refused, or cut by a filter: it is not the segment that was judged. */
	if (*verdict == LQ_ACK_PROMOTE)
		lq_promotion_undo(shard, promotion, &ack->key);
	if (!good)
		return false;
	lq_ack_read(ack, skb);
	ack->vetted = true;
	*verdict = lq_ack_ask(shard, ack, copy, promotion, freed);
	if (*verdict == LQ_ACK_WAIT)
		*verdict = lq_ack_wait(shard, skb, ack, copy, promotion, freed);
	return true;
}

enum lq_ack_verdict lq_ack_try(struct lq_listener *lst, struct sk_buff *skb, struct lq_ack *ack,
			       bool only, enum lq_received *result)
{
	struct lq_shard *shard = lq_shard_of(lst, &ack->key);
	struct lq_promotion promotion LQ_UNINITIALIZED;
	union lq_request_copy copy LQ_UNINITIALIZED;
	enum lq_ack_verdict verdict;
	struct lq_request *freed;

	lq_listener_refresh(lst);
	ack->cookies_recent = lq_cookies_recent(lst->lqn, ack->local_port, ack->now_s);
	verdict = lq_ack_ask(shard, ack, &copy, &promotion, &freed);
	*result = LQ_RECEIVED_PASS;
	if (!lq_ack_vet(shard, skb, ack, &copy, &promotion, &freed, &verdict))
		return LQ_ACK_PASS;
	if (verdict == LQ_ACK_MAYBE_COOKIE) {
		/* The secret is the namespace's: whoever asks again, as something moved, hears the same. */
		if (unlikely(ack->cookie_failed))
			return LQ_ACK_UNKNOWN;
		return lq_cookie_try(shard, skb, ack, only, result);
	}
	if (ack->reason) {
		lq_drop(lst, &ack->key, ack->reason);
		lq_event_check(shard);
	}
	*result = LQ_RECEIVED_DROP;
	switch (verdict) {
	case LQ_ACK_UNKNOWN:
	case LQ_ACK_MAYBE_COOKIE:
	case LQ_ACK_PASS:
	case LQ_ACK_VET: /* not when it is vetted */
	case LQ_ACK_WAIT: /* not after lq_ack_wait() */
		*result = LQ_RECEIVED_PASS;
		break;
	case LQ_ACK_PROMOTE:
		lq_fill_cb(skb, ack->key.v6);
		*result = lq_child_build(shard, skb, &promotion, ack, NULL);
		break;
	case LQ_ACK_COOKIE: /* only lq_core_ack_cookie() says these */
	case LQ_ACK_KEEP:
		break;
	case LQ_ACK_DUPLICATE:
		lq_synack_repeat(shard, &copy.request, NULL);
		break;
	case LQ_ACK_CHALLENGE:
		if (ack->rst) /* tcp_reqsk_send_challenge_ack() */
			NET_INC_STATS(sock_net(lst->sk), LINUX_MIB_TCPCHALLENGEACK);
		lq_fill_cb(skb, ack->key.v6);
		lq_challenge_send(lst, skb, &copy.request);
		break;
	case LQ_ACK_SKIP:
		if (ack->reason == LISTENQ_DROP_SYN_RATE_LIMITED)
			break; /* lq_drop() has counted it */
		NET_INC_STATS(sock_net(lst->sk), ack->rst ? LINUX_MIB_TCPACKSKIPPEDCHALLENGE
							  : LINUX_MIB_TCPACKSKIPPEDSYNRECV);
		break;
	case LQ_ACK_DROP:
		lq_request_free(freed);
		break;
	case LQ_ACK_REFUSE:
		lq_request_free(freed);
		if (ack->ack) {
			*result = LQ_RECEIVED_PASS;
			break;
		}
		lq_fill_cb(skb, ack->key.v6);
		lq_reset_send(lst, skb, ack->key.v6);
		break;
	}
	return verdict;
}
