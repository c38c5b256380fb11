// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink family "listenq": look at the listeners and the counters of
 * the caller's network namespace, and change a listener's settings.
 * uapi/listenq.yaml describes it. Process context. A dump of listeners holds
 * lq_net.list_lock for one message buffer at a time. The dump of half-open requests is in request_dump.c, whom
 * drops hit in dropped.c, and how settings change in netlink_set.c.
 */
#include <linux/in6.h>
#include <net/genetlink.h>
#include <net/ipv6.h>

#include "../compat/compat.h"
#include "dropped.h"
#include "genl.h"
#include "listener.h"
#include "net.h"
#include "netlink.h"
#include "netlink_set.h"
#include "registry.h"
#include "request_dump.h"
#include "settings.h"
#include "tcp_sysctls.h"

static const struct nla_policy lq_listener_policy[LISTENQ_A_LISTENER_MAX + 1] = {
	[LISTENQ_A_LISTENER_ID] = NLA_POLICY_MIN(NLA_U64, 1),
};

/* Requests for counters carry no attribute. */
static const struct nla_policy lq_no_policy[LISTENQ_A_STATS_MAX + 1] = {};

/* --- listeners --- */

static int lq_put_u64_nest(struct sk_buff *msg, int type, const u64 *values, int count)
{
	struct nlattr *nest = nla_nest_start(msg, type);
	int i;

	if (!nest)
		return -EMSGSIZE;
	for (i = 1; i < count; i++) {
		/* Attribute 0 of the nest is its padding. */
		if (nla_put_u64_64bit(msg, i, values[i], 0))
			return -EMSGSIZE;
	}
	nla_nest_end(msg, nest);
	return 0;
}

/*
 * Histograms are long, and a listener waits about as long each time: what is 0 at the end is left out.
 */
static int lq_put_waits(struct sk_buff *msg, int type, const u64 *waits)
{
	int count = LISTENQ_WAIT_BUCKETS;

	while (count > 0 && !waits[count - 1])
		count--;
	return count ? nla_put(msg, type, count * sizeof(*waits), waits) : 0;
}

static int lq_put_octaves(struct sk_buff *msg, int type, const u64 *waits)
{
	u64 octaves[LISTENQ_HIST_BUCKETS];

	lq_core_wait_octaves(waits, octaves);
	return nla_put(msg, type, sizeof(octaves), octaves);
}

/* @reader: whose view of user ids counts. */
static int lq_put_socket(struct sk_buff *msg, struct sock *sk, struct user_namespace *reader)
{
	bool v6only = false;

#if IS_ENABLED(CONFIG_IPV6)
	v6only = sk->sk_family == AF_INET6 && ipv6_only_sock(sk);
#endif
	if (nla_put_u16(msg, LISTENQ_A_LISTENER_FAMILY, sk->sk_family) ||
	    lq_put_address(msg, LISTENQ_A_LISTENER_ADDR, sk) ||
	    nla_put_u16(msg, LISTENQ_A_LISTENER_PORT, inet_sk(sk)->inet_num) ||
	    nla_put_u32(msg, LISTENQ_A_LISTENER_IFINDEX, READ_ONCE(sk->sk_bound_dev_if)) ||
	    nla_put_u64_64bit(msg, LISTENQ_A_LISTENER_INODE, sock_i_ino(sk),
			      LISTENQ_A_LISTENER_PAD) ||
	    nla_put_u32(msg, LISTENQ_A_LISTENER_UID, from_kuid_munged(reader, lq_compat_uid(sk))) ||
	    nla_put_u8(msg, LISTENQ_A_LISTENER_V6ONLY, v6only))
		return -EMSGSIZE;
	return 0;
}

static int lq_put_info(struct sk_buff *msg, const struct listenq_info *info)
{
	const struct {
		int type;
		u32 value;
	} numbers[] = {
		{ LISTENQ_A_LISTENER_FLAGS, info->flags },
		{ LISTENQ_A_LISTENER_ABORT_ON_OVERFLOW,
		  !!(info->flags & LISTENQ_F_ABORT_ON_OVERFLOW) },
#define LQ_NUMBER(number, NAME, name, place, metric, text) { number, info->name },
		LISTENQ_NUMBERS(LQ_NUMBER)
#undef LQ_NUMBER
	};
	size_t i;

	if (nla_put_u64_64bit(msg, LISTENQ_A_LISTENER_ID, info->id, LISTENQ_A_LISTENER_PAD) ||
	    nla_put_string(msg, LISTENQ_A_LISTENER_POLICY, info->policy) ||
	    nla_put_s32(msg, LISTENQ_A_LISTENER_BACKLOG_ASKED, info->backlog_asked))
		return -EMSGSIZE;
	if (info->accept_filter[0] &&
	    nla_put_string(msg, LISTENQ_A_LISTENER_ACCEPT_FILTER, info->accept_filter))
		return -EMSGSIZE;
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (nla_put_u32(msg, numbers[i].type, numbers[i].value))
			return -EMSGSIZE;
	}
	return 0;
}

/* LISTENQ_OWN_*: what overrides the sysctls. Settings may change meanwhile: each is read once. */
static u32 lq_overridden(const struct lq_listener *lst)
{
	const struct lq_overrides *overrides = &lst->overrides;
	u32 flags = 0;

	if (READ_ONCE(overrides->policy) != LQ_FOLLOW)
		flags |= LISTENQ_OWN_POLICY;
	if (READ_ONCE(overrides->max_syn_backlog) != LQ_FOLLOW)
		flags |= LISTENQ_OWN_MAX_SYN_BACKLOG;
	if (READ_ONCE(overrides->abort_on_overflow) != LQ_FOLLOW)
		flags |= LISTENQ_OWN_ABORT_ON_OVERFLOW;
	if (READ_ONCE(overrides->synack_retries) != LQ_FOLLOW ||
	    READ_ONCE(inet_csk(lst->sk)->icsk_syn_retries))
		flags |= LISTENQ_OWN_SYNACK_RETRIES;
	if (READ_ONCE(overrides->syncookies) != LQ_FOLLOW)
		flags |= LISTENQ_OWN_SYNCOOKIES;
	if (READ_ONCE(overrides->shards) != LQ_FOLLOW)
		flags |= LISTENQ_OWN_SHARDS;
#define LQ_X(NAME, name, low, high, initial) \
	if (READ_ONCE(overrides->name) != LQ_FOLLOW) \
		flags |= LISTENQ_OWN_##NAME;
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
	return flags;
}

/* lq_net.list_lock held. */
static int lq_put_former(struct sk_buff *msg, const struct lq_counters *former)
{
	if (!former)
		return 0;
	if (lq_put_u64_nest(msg, LISTENQ_A_LISTENER_FORMER_DROPS, former->drops,
			    __LISTENQ_DROP_MAX) ||
	    lq_put_u64_nest(msg, LISTENQ_A_LISTENER_FORMER_EVENTS, former->events,
			    __LISTENQ_EVENT_MAX) ||
	    lq_put_octaves(msg, LISTENQ_A_LISTENER_FORMER_WAIT, former->accept_wait) ||
	    nla_put_u64_64bit(msg, LISTENQ_A_LISTENER_FORMER_WAIT_US, former->accept_wait_us,
			      LISTENQ_A_LISTENER_PAD) ||
	    lq_put_waits(msg, LISTENQ_A_LISTENER_FORMER_WAIT_FINE, former->accept_wait) ||
	    nla_put_u64_64bit(msg, LISTENQ_A_LISTENER_FORMER_HANDSHAKE_US, former->handshake_us,
			      LISTENQ_A_LISTENER_PAD) ||
	    lq_put_waits(msg, LISTENQ_A_LISTENER_FORMER_HANDSHAKE, former->handshake))
		return -EMSGSIZE;
	return 0;
}

/* One message of a listener and of those before it, with both histograms full: less than this. */
#define LQ_LISTENER_MSG_SIZE 8192

/*
 * lq_net.list_lock held: @lst is on the list. One message, or -EMSGSIZE and none; @state is only
 * memory for it, too large for the stack.
 */
static int lq_fill_listener(struct sk_buff *msg, struct lq_listener *lst, u32 portid, u32 seq,
			    int flags, struct netlink_callback *cb, struct user_namespace *reader,
			    struct lq_listener_state *state)
{
	void *hdr = genlmsg_put(msg, portid, seq, &lq_genl_family, flags,
				LISTENQ_CMD_LISTENER_GET);
	const u32 own = lq_overridden(lst);

	if (!hdr)
		return -EMSGSIZE;
	if (cb)
		genl_dump_check_consistent(cb, hdr);
	lq_listener_state(lst, state);
	state->info.id = lst->id;

	if (nla_put_u32(msg, LISTENQ_A_LISTENER_OWN, own) ||
	    nla_put_u32(msg, LISTENQ_A_LISTENER_FOLLOWING, lq_tcp_followed(lst->lqn) & ~own) ||
	    nla_put_s32(msg, LISTENQ_A_LISTENER_BACKLOG_GIVEN, READ_ONCE(lst->backlog)) ||
	    (state->accept_oldest_us &&
	     nla_put_u32(msg, LISTENQ_A_LISTENER_ACCEPT_OLDEST, state->accept_oldest_us)) ||
	    lq_put_info(msg, &state->info) || lq_put_socket(msg, lst->sk, reader) ||
	    lq_put_u64_nest(msg, LISTENQ_A_LISTENER_DROPS, state->counters.drops,
			    __LISTENQ_DROP_MAX) ||
	    lq_put_u64_nest(msg, LISTENQ_A_LISTENER_EVENTS, state->counters.events,
			    __LISTENQ_EVENT_MAX) ||
	    lq_put_octaves(msg, LISTENQ_A_LISTENER_ACCEPT_WAIT, state->counters.accept_wait) ||
	    nla_put_u64_64bit(msg, LISTENQ_A_LISTENER_ACCEPT_WAIT_US,
			      state->counters.accept_wait_us, LISTENQ_A_LISTENER_PAD) ||
	    lq_put_waits(msg, LISTENQ_A_LISTENER_ACCEPT_WAIT_FINE, state->counters.accept_wait) ||
	    nla_put_u64_64bit(msg, LISTENQ_A_LISTENER_HANDSHAKE_US, state->counters.handshake_us,
			      LISTENQ_A_LISTENER_PAD) ||
	    lq_put_waits(msg, LISTENQ_A_LISTENER_HANDSHAKE, state->counters.handshake) ||
	    lq_put_former(msg, lst->former)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

static int lq_listener_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct lq_net *lqn = lq_net(genl_info_net(info));
	struct lq_listener_state *state;
	struct lq_listener *lst;
	struct sk_buff *msg;
	int err = -ENOENT;
	u64 id;

	if (GENL_REQ_ATTR_CHECK(info, LISTENQ_A_LISTENER_ID))
		return -EINVAL;
	id = nla_get_u64(info->attrs[LISTENQ_A_LISTENER_ID]);
	state = kmalloc(sizeof(*state), GFP_KERNEL);
	msg = genlmsg_new(LQ_LISTENER_MSG_SIZE, GFP_KERNEL);
	if (!msg || !state) {
		kfree(state);
		nlmsg_free(msg);
		return -ENOMEM;
	}
	spin_lock(&lqn->list_lock);
	lst = lq_net_find(lqn, id);
	if (lst)
		err = lq_fill_listener(msg, lst, info->snd_portid, info->snd_seq, 0, NULL,
				       sk_user_ns(NETLINK_CB(skb).sk), state);
	spin_unlock(&lqn->list_lock);
	kfree(state);
	if (err) {
		nlmsg_free(msg);
		return err == -ENOENT ? lq_no_listener(info) : err;
	}
	return genlmsg_reply(msg, info);
}

/*
 * Readers are told to have room for what a page holds, which is enough for one listener, but not for
 * those before it as well.
 */
static int lq_listener_get_start(struct netlink_callback *cb)
{
	if (READ_ONCE(lq_net(sock_net(cb->skb->sk))->formers))
		cb->min_dump_alloc = LQ_LISTENER_MSG_SIZE;
	return 0;
}

/* cb->args[0]: the last id that was written. */
static int lq_listener_get_dumpit(struct sk_buff *msg, struct netlink_callback *cb)
{
	struct lq_net *lqn = lq_net(sock_net(msg->sk));
	struct lq_listener_state *state = kmalloc(sizeof(*state), GFP_KERNEL);
	struct lq_listener *lst;
	int err = 0;

	if (!state)
		return -ENOMEM;
	spin_lock(&lqn->list_lock);
	cb->seq = lqn->generation;
	for (lst = lq_net_first(lqn, (u64)cb->args[0] + 1); lst; lst = lq_net_after(lst)) {
		err = lq_fill_listener(msg, lst, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				       NLM_F_MULTI, cb, sk_user_ns(NETLINK_CB(cb->skb).sk), state);
		if (err)
			break;
		cb->args[0] = lst->id;
	}
	spin_unlock(&lqn->list_lock);
	kfree(state);
	/* None at all: the first lst->former came since the start. Nothing would be the end. */
	return msg->len ?: err;
}

/* --- counters --- */

static int lq_stats_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	struct lq_net *lqn = lq_net(net);
	struct lq_net_counters sum;
	struct sk_buff *msg;
	u32 listeners;
	void *hdr;

	msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put_reply(msg, info, &lq_genl_family, 0, LISTENQ_CMD_STATS_GET);
	if (!hdr)
		goto too_small;
	lq_net_counters_read(net, &sum);
	spin_lock(&lqn->list_lock);
	listeners = lqn->listener_count;
	spin_unlock(&lqn->list_lock);
	if (nla_put_u32(msg, LISTENQ_A_STATS_LISTENERS, listeners) ||
	    lq_put_u64_nest(msg, LISTENQ_A_STATS_DROPS, sum.drops, __LISTENQ_DROP_MAX) ||
	    lq_put_u64_nest(msg, LISTENQ_A_STATS_EVENTS, sum.events, __LISTENQ_EVENT_MAX))
		goto too_small;
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);

too_small:
	nlmsg_free(msg);
	return -EMSGSIZE;
}

static const struct genl_ops lq_genl_ops[] = {
	{
		.cmd = LISTENQ_CMD_LISTENER_GET,
		.doit = lq_listener_get_doit,
		.start = lq_listener_get_start,
		.dumpit = lq_listener_get_dumpit,
		.policy = lq_listener_policy,
		.maxattr = LISTENQ_A_LISTENER_MAX,
	},
	{
		.cmd = LISTENQ_CMD_LISTENER_SET,
		.doit = lq_listener_set_doit,
		.policy = lq_listener_set_policy,
		.maxattr = LISTENQ_A_LISTENER_MAX,
		.flags = GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd = LISTENQ_CMD_REQUEST_GET,
		.start = lq_request_get_start,
		.dumpit = lq_request_get_dumpit,
		.done = lq_request_get_done,
		.policy = lq_request_get_policy,
		.maxattr = LISTENQ_A_REQUEST_MAX,
	},
	{
		.cmd = LISTENQ_CMD_DROPPED_GET,
		.doit = lq_dropped_get_doit,
		.policy = lq_dropped_get_policy,
		.maxattr = LISTENQ_A_DROPPED_MAX,
	},
	{
		.cmd = LISTENQ_CMD_STATS_GET,
		.doit = lq_stats_get_doit,
		.policy = lq_no_policy,
		.maxattr = LISTENQ_A_STATS_MAX,
	},
};

int lq_netlink_init(void)
{
	lq_genl_family.ops = lq_genl_ops;
	lq_genl_family.n_ops = ARRAY_SIZE(lq_genl_ops);
	return genl_register_family(&lq_genl_family);
}

void lq_netlink_exit(void)
{
	genl_unregister_family(&lq_genl_family);
}
