// SPDX-License-Identifier: GPL-2.0
/*
 * An heir has the same owner, device and, for the connection, address; it has not ended, nor is it given
 * back to TCP. Of several, one of the SO_REUSEPORT group comes first, then the one that TCP's lookup
 * scores highest. Where a program of the group decides (BPF_SK_REUSEPORT_SELECT_OR_MIGRATE), it does.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <net/sock_reuseport.h>

#include "heir.h"
#include "heir_choice.h"
#include "lookup.h"
#include "net.h"
#include "ports.h"

/* What decides between several: the higher, the better. */
enum {
	LQ_HEIR_FAMILY = 1,	/* compute_score(): an IPv4 socket before a dual-stack one */
	LQ_HEIR_PARTICULAR = 2, /* the address itself before any address */
	LQ_HEIR_GROUP = 4,
};

static struct sock_reuseport *lq_heir_group(const struct sock *sk)
{
	return rcu_dereference(sk->sk_reuseport_cb);
}

bool lq_heir_programmed(const struct sock *sk)
{
	const struct sock_reuseport *group = lq_heir_group(sk);
	const struct bpf_prog *prog = group ? rcu_dereference(group->prog) : NULL;

	return prog && prog->expected_attach_type == BPF_SK_REUSEPORT_SELECT_OR_MIGRATE;
}

/* net.listenq.migrate, or TCP's own tcp_migrate_req, which is for groups. */
static bool lq_heir_any(const struct lq_listener *lst)
{
	return READ_ONCE(lst->lqn->sysctls.migrate);
}

bool lq_heir_of_group(const struct lq_listener *lst)
{
	return lq_heir_any(lst) || READ_ONCE(sock_net(lst->sk)->ipv4.sysctl_tcp_migrate_req);
}

/* -1: it is none. */
static int lq_heir_score(const struct lq_listener *lst, const struct lq_listener *heir,
			 const struct lq_key *key, bool particular)
{
	const struct sock *from = lst->sk, *to = heir->sk;
	int score = particular ? LQ_HEIR_PARTICULAR : 0;

	if (heir == lst || !lq_heir_serves(heir) || !lq_listens_at(to, key) ||
	    !uid_eq(from->sk_uid, to->sk_uid) ||
	    READ_ONCE(from->sk_bound_dev_if) != READ_ONCE(to->sk_bound_dev_if))
		return -1;
	if (to->sk_family == (key->v6 ? AF_INET6 : AF_INET))
		score += LQ_HEIR_FAMILY;
	if (lq_heir_group(from) && lq_heir_group(from) == lq_heir_group(to))
		score += LQ_HEIR_GROUP;
	else if (!lq_heir_any(lst))
		return -1;
	return score;
}

/* At so many listeners of each list it looks, however many there are: softirqs are off. */
#define LQ_HEIR_LOOKS 64

/* Both lists of those that may be an heir, and how the best of them score. */
struct lq_heirs {
	struct rhlist_head *lists[2];
	int best;
	u32 count; /* of the best */
};

static void lq_heirs_count(struct lq_listener *lst, const struct lq_key *key, struct lq_heirs *heirs)
{
	struct rhlist_head *at;
	struct lq_port *port;
	u32 i, looks;

	heirs->best = -1;
	heirs->count = 0;
	for (i = 0; i < ARRAY_SIZE(heirs->lists); i++) {
		looks = 0;
		rhl_for_each_entry_rcu(port, at, heirs->lists[i], by_place) {
			const int score = lq_heir_score(lst, port->lst, key, i == 1);

			if (looks++ == LQ_HEIR_LOOKS)
				break;
			if (score < 0 || score < heirs->best)
				continue;
			heirs->count = score > heirs->best ? 1 : heirs->count + 1;
			heirs->best = score;
		}
	}
}

/* Number @left of the best, or the last of them, if some have left; NULL: all of them have. */
static struct lq_listener *lq_heirs_pick(struct lq_listener *lst, const struct lq_key *key,
					 const struct lq_heirs *heirs, u32 left)
{
	struct lq_listener *chosen = NULL;
	struct rhlist_head *at;
	struct lq_port *port;
	u32 i, looks;

	for (i = 0; i < ARRAY_SIZE(heirs->lists); i++) {
		looks = 0;
		rhl_for_each_entry_rcu(port, at, heirs->lists[i], by_place) {
			if (looks++ == LQ_HEIR_LOOKS)
				break;
			if (lq_heir_score(lst, port->lst, key, i == 1) != heirs->best)
				continue;
			chosen = port->lst;
			if (left-- == 0)
				return chosen;
		}
	}
	return chosen;
}

/* How often those are counted again that changed before one was picked: groups change, listeners end. */
#define LQ_HEIR_COUNTS 4

struct lq_listener *lq_heir_choose(struct lq_listener *lst, const struct lq_key *key, u32 turn)
{
	const __be16 number = inet_sk(lst->sk)->inet_sport;
	struct lq_listener *chosen = NULL;
	struct lq_heirs heirs = {
		.lists = {
			lq_ports_any(&lst->lqn->ports, number),
			lq_ports_particular(&lst->lqn->ports, number, key),
		},
	};
	u32 i;

	for (i = 0; i < LQ_HEIR_COUNTS && !chosen; i++) {
		lq_heirs_count(lst, key, &heirs);
		if (heirs.count == 0)
			break;
		chosen = lq_heirs_pick(lst, key, &heirs, turn % heirs.count);
	}
	return chosen;
}

struct lq_listener *lq_heir_by_program(struct lq_listener *lst, const struct lq_key *key,
				       struct sock *migrating)
{
	struct sock *sk = reuseport_migrate_sock(lst->sk, migrating, NULL);
	struct lq_listener *heir;

	if (!sk)
		return NULL;
	heir = lq_listener_owned(sk);
	sock_put(sk); /* its listener lives as long as RCU */
	if (heir == lst)
		return lq_heir_choose(lst, key, READ_ONCE(lst->heir_turn));
	return heir && lq_heir_serves(heir) ? heir : NULL;
}
