// SPDX-License-Identifier: GPL-2.0
/*
 * What a listener's limits and verdicts depend on: the namespace's sysctls, or TCP's where these
 * follow them, what the socket set for itself, and listen()'s argument.
 *
 * Settings are taken up in no time and without memory, in any context: whoever changes a sysctl
 * waits for nobody. It changes a number of the namespace, which each listener compares with the one
 * that it took its settings at, at each segment, each timer and each look; so it does with TCP's.
 *
 * Locking: lst->settings_lock, which nests inside lock_sock and lst->control, and outside a shard's.
 */
#include <linux/socket.h>

#include "cull.h"
#include "filter.h"
#include "listener.h"
#include "net.h"
#include "settings.h"
#include "shard.h"
#include "table.h"

const struct lq_overrides lq_follow_all = {
	.shards = LQ_FOLLOW,
	.policy = LQ_FOLLOW,
	.max_syn_backlog = LQ_FOLLOW,
	.abort_on_overflow = LQ_FOLLOW,
	.synack_retries = LQ_FOLLOW,
	.syncookies = LQ_FOLLOW,
#define LQ_X(NAME, name, low, high, initial) .name = LQ_FOLLOW,
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
};

/* What the socket fixed, or else @inherited. */
#define LQ_SETTING(lst, name, inherited)                                        \
	({                                                                      \
		const s32 lq_own = READ_ONCE((lst)->overrides.name);            \
		lq_own == LQ_FOLLOW ? (inherited) : lq_own;                     \
	})

u32 lq_listener_shards_asked(const struct lq_listener *lst)
{
	const u32 asked = LQ_SETTING(lst, shards, READ_ONCE(lst->lqn->sysctls.shards));

	return asked ? : min_t(u32, num_online_cpus(), LQ_MAX_SHARDS);
}

/*
 * How many half-open requests a namespace of a user's own may have: its settings are the user's,
 * the memory is the machine's. Never fewer than TCP would hold with the backlog that namespaces
 * begin with. 0: no more than its settings say.
 */
static u32 lq_syn_ceiling(const struct net *net)
{
	if (net->user_ns == &init_user_ns)
		return 0;
	return max3(lq_sysctl(lq_net(&init_net), max_syn_backlog),
		    READ_ONCE(init_net.core.sysctl_somaxconn) + 1, SOMAXCONN + 1);
}

/* Written, 0 is kept and 1 is RST whatever the policy; TCP's own 0, followed, is the policy's. */
static u8 lq_abort_of(const struct lq_listener *lst, const struct lq_net *lqn)
{
	const s32 written = LQ_SETTING(lst, abort_on_overflow,
				       READ_ONCE(lqn->sysctls.abort_on_overflow));

	if (written == LQ_FOLLOW)
		return lq_tcp_abort_on_overflow(lqn->net) ? LQ_ABORT_ALWAYS : LQ_ABORT_BY_POLICY;
	return written ? LQ_ABORT_ALWAYS : LQ_ABORT_NEVER;
}

u32 lq_listener_grace_ms(const struct lq_listener *lst)
{
	return LQ_SETTING(lst, grace_ms, READ_ONCE(lst->lqn->sysctls.grace_ms));
}

void lq_listener_config(const struct lq_listener *lst, struct lq_config *config)
{
	const struct inet_connection_sock *icsk = inet_csk(lst->sk);
	const struct net *net = sock_net(lst->sk);
	const struct lq_net *lqn = lst->lqn;
	const u8 syncnt = READ_ONCE(icsk->icsk_syn_retries);

	*config = (struct lq_config) {
		.hz = HZ,
		.policy = LQ_SETTING(lst, policy, READ_ONCE(lqn->sysctls.policy)),
#define LQ_FROM_TCP(name, flag) .name = LQ_SETTING(lst, name, lq_sysctl(lqn, name)),
		LQ_TCP_SYSCTLS(LQ_FROM_TCP)
#undef LQ_FROM_TCP
		.syncookie_pause = READ_ONCE(lqn->sysctls.syncookie_pause),
		.synack_timeout_ms = READ_ONCE(lqn->sysctls.synack_timeout_ms),
		.oow_ratelimit_ms =
			jiffies_to_msecs(READ_ONCE(net->ipv4.sysctl_tcp_invalid_ratelimit)),
		.defer_accept = READ_ONCE(icsk->icsk_accept_queue.rskq_defer_accept),
		.backlog = lst->backlog,
		.somaxconn = READ_ONCE(net->core.sysctl_somaxconn),
		.soacceptqueue = READ_ONCE(lqn->sysctls.soacceptqueue),
		.filter_timeout_ms = READ_ONCE(lqn->sysctls.filter_timeout_ms),
		.backlog_asked = lst->backlog_asked,
		.syn_ceiling = lq_syn_ceiling(net),
		.overload = {
#define LQ_X(NAME, name, low, high, initial) \
	.name = LQ_SETTING(lst, name, READ_ONCE(lqn->sysctls.name)),
			LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
		},
	};
	config->abort_on_overflow = lq_abort_of(lst, lqn);
	config->own_timing = READ_ONCE(lst->overrides.synack_retries) != LQ_FOLLOW ||
			     READ_ONCE(lqn->sysctls.synack_retries) != LQ_FOLLOW || syncnt ||
			     config->synack_timeout_ms != LQ_SYNACK_TIMEOUT_MS;
	/* TCP_SYNCNT is of this socket, too: more particular than a sysctl. */
	if (syncnt && READ_ONCE(lst->overrides.synack_retries) == LQ_FOLLOW)
		config->synack_retries = syncnt;
}

/* settings_lock held, no shard's lock: each shard takes new limits, open or not. */
static void lq_shards_configure(struct lq_listener *lst, const struct lq_config *config,
				const struct lq_limits *limits)
{
	struct lq_limits part;
	struct lq_config share;
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i) {
		share = *config;
		part = *limits;
		lq_core_share(&share, &part, lst->shard_count, i);
		spin_lock(&shard->lock);
		lq_core_configure(shard->core, &share, &part);
		lq_table_fit_locked(shard);
		lq_filter_changed_locked(shard);
		lq_cull_changed_locked(shard);
		spin_unlock(&shard->lock);
	}
}

/* settings_lock held, the sock lives. */
static void lq_listener_apply_locked(struct lq_listener *lst)
{
	struct lq_config config;

	/* First: what changes meanwhile is another number, and taken up later. */
	WRITE_ONCE(lst->settings_seen, atomic_read_acquire(&lst->lqn->settings));
	WRITE_ONCE(lst->tcp_seen, lq_tcp_sysctls(lst->lqn->net));
	lq_listener_config(lst, &config);
	lq_core_limits(&config, &lst->limits);
	lq_shards_configure(lst, &config, &lst->limits);
	if (READ_ONCE(lst->listening))
		WRITE_ONCE(lst->sk->sk_max_ack_backlog, lst->limits.accept_limit - 1);
}

void lq_listener_apply(struct lq_listener *lst)
{
	spin_lock_bh(&lst->settings_lock);
	lq_listener_apply_locked(lst);
	spin_unlock_bh(&lst->settings_lock);
}

void lq_listener_set_backlog(struct lq_listener *lst, int backlog, int asked)
{
	spin_lock_bh(&lst->settings_lock);
	WRITE_ONCE(lst->backlog, backlog); /* netlink reads it without the lock */
	lst->backlog_asked = asked;
	lq_listener_apply_locked(lst);
	spin_unlock_bh(&lst->settings_lock);
}

void lq_overrides_get(struct lq_listener *lst, struct lq_overrides *to)
{
	spin_lock_bh(&lst->settings_lock);
	*to = lst->overrides;
	spin_unlock_bh(&lst->settings_lock);
}

void lq_listener_set(struct lq_listener *lst, const struct lq_overrides *to, int backlog)
{
	const u32 somaxconn = READ_ONCE(sock_net(lst->sk)->core.sysctl_somaxconn);

	spin_lock_bh(&lst->settings_lock);
	if (backlog != LQ_FOLLOW) {
		WRITE_ONCE(lst->backlog, min_t(u32, backlog, somaxconn)); /* __sys_listen() */
		lst->backlog_asked = backlog;
	}
	/* Readers have no lock. */
	WRITE_ONCE(lst->overrides.shards, to->shards);
	WRITE_ONCE(lst->overrides.policy, to->policy);
	WRITE_ONCE(lst->overrides.max_syn_backlog, to->max_syn_backlog);
	WRITE_ONCE(lst->overrides.abort_on_overflow, to->abort_on_overflow);
	WRITE_ONCE(lst->overrides.synack_retries, to->synack_retries);
	WRITE_ONCE(lst->overrides.syncookies, to->syncookies);
#define LQ_X(NAME, name, low, high, initial) WRITE_ONCE(lst->overrides.name, to->name);
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
	lq_listener_apply_locked(lst);
	spin_unlock_bh(&lst->settings_lock);
}

void lq_listener_drain_locked(struct lq_listener *lst, bool on)
{
	struct lq_shard *shard;
	u32 i;

	WRITE_ONCE(lst->draining, on);
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		lq_core_drain(shard->core, on);
		spin_unlock_bh(&shard->lock);
	}
}

void lq_overrides_set(struct lq_listener *lst, const struct lq_overrides *to)
{
	lq_listener_set(lst, to, LQ_FOLLOW);
}
