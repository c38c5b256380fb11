// SPDX-License-Identifier: GPL-2.0
/*
 * LISTENQ_CMD_LISTENER_SET: a live listener's settings change, all or none. Process context.
 */
#include <net/genetlink.h>

#include "filter_set.h"
#include "genl.h"
#include "listener.h"
#include "net.h"
#include "netlink_set.h"
#include "registry.h"
#include "settings.h"

const struct nla_policy lq_listener_set_policy[LISTENQ_A_LISTENER_MAX + 1] = {
	[LISTENQ_A_LISTENER_ID] = NLA_POLICY_MIN(NLA_U64, 1),
	[LISTENQ_A_LISTENER_POLICY] = { .type = NLA_NUL_STRING,
					.len = LISTENQ_POLICY_NAMSIZ - 1 },
	[LISTENQ_A_LISTENER_BACKLOG] = { .type = NLA_U32 },
	[LISTENQ_A_LISTENER_MAX_SYN_BACKLOG] = { .type = NLA_U32 },
	[LISTENQ_A_LISTENER_ABORT_ON_OVERFLOW] = { .type = NLA_U32 },
	[LISTENQ_A_LISTENER_SYNACK_RETRIES] = { .type = NLA_U32 },
	[LISTENQ_A_LISTENER_SYNCOOKIES] = { .type = NLA_U32 },
	[LISTENQ_A_LISTENER_ACCEPT_FILTER] = { .type = NLA_NUL_STRING, .len = 15 },
	[LISTENQ_A_LISTENER_DRAIN] = NLA_POLICY_MAX(NLA_U32, 1),
#define LQ_X(NAME, name, low, high, initial) [LISTENQ_A_LISTENER_##NAME] = { .type = NLA_U32 },
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
};

/* A number or LISTENQ_FOLLOW into *@where; absent: it stays. */
static int lq_take_number(struct genl_info *info, int type, u32 low, u32 high, s32 *where)
{
	const struct nlattr *attr = info->attrs[type];
	u32 value;

	if (!attr)
		return 0;
	value = nla_get_u32(attr);
	if (value == LISTENQ_FOLLOW) {
		*where = LQ_FOLLOW;
		return 0;
	}
	if (value < low || value > high) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "out of range");
		return -ERANGE;
	}
	*where = value;
	return 0;
}

/* There is no sysctl that a backlog could follow. */
static int lq_take_backlog(struct genl_info *info, s32 *where)
{
	const struct nlattr *attr = info->attrs[LISTENQ_A_LISTENER_BACKLOG];

	if (attr && nla_get_u32(attr) > INT_MAX) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "out of range");
		return -ERANGE;
	}
	if (attr)
		*where = nla_get_u32(attr);
	return 0;
}

static int lq_take_policy(struct genl_info *info, s32 *where)
{
	const struct nlattr *attr = info->attrs[LISTENQ_A_LISTENER_POLICY];
	const char *name;
	int policy;

	if (!attr)
		return 0;
	name = nla_data(attr);
	policy = name[0] ? lq_core_policy_find(name, strlen(name)) : LQ_FOLLOW;
	if (name[0] && policy < 0) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "no such policy");
		return -ENOENT;
	}
	*where = policy;
	return 0;
}

/* Whether the filter asked for is known. */
static int lq_check_filter(struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[LISTENQ_A_LISTENER_ACCEPT_FILTER];
	const char *name;

	if (!attr)
		return 0;
	name = nla_data(attr);
	if (name[0] && lq_core_filter_find(name, strlen(name)) < 0) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "no such accept filter");
		return -ENOENT;
	}
	return 0;
}

/* lst->control held, @lst listens. */
static int lq_listener_change(struct lq_listener *lst, struct genl_info *info)
{
	const struct nlattr *filter = info->attrs[LISTENQ_A_LISTENER_ACCEPT_FILTER];
	struct lq_overrides changed;
	s32 backlog = LQ_FOLLOW; /* as it is */
	const char *name;
	int err;

	lq_overrides_get(lst, &changed);
	err = lq_take_backlog(info, &backlog) ?:
	      lq_take_policy(info, &changed.policy) ?:
	      lq_take_number(info, LISTENQ_A_LISTENER_MAX_SYN_BACKLOG, 1, LQ_MAX_SYN_BACKLOG,
			     &changed.max_syn_backlog) ?:
	      lq_take_number(info, LISTENQ_A_LISTENER_ABORT_ON_OVERFLOW, 0, 1,
			     &changed.abort_on_overflow) ?:
	      lq_take_number(info, LISTENQ_A_LISTENER_SYNACK_RETRIES, 0, 255,
			     &changed.synack_retries) ?:
	      lq_take_number(info, LISTENQ_A_LISTENER_SYNCOOKIES, 0, 2, &changed.syncookies) ?:
#define LQ_X(NAME, name, low, high, initial) \
	      lq_take_number(info, LISTENQ_A_LISTENER_##NAME, low, high, &changed.name) ?:
	      LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
	      lq_check_filter(info);
	if (err)
		return err;
	lq_listener_set(lst, &changed, backlog);
	if (info->attrs[LISTENQ_A_LISTENER_DRAIN])
		lq_listener_drain_locked(lst, nla_get_u32(info->attrs[LISTENQ_A_LISTENER_DRAIN]));
	if (!filter)
		return 0;
	name = nla_data(filter);
	return lq_filter_replace_locked(lst, name, strlen(name));
}

/* Others wait for generic netlink's lock meanwhile: no sock's lock, which a user may hold, is taken. */
int lq_listener_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct lq_net *lqn = lq_net(genl_info_net(info));
	struct lq_listener *lst;
	bool held;
	int err;
	u64 id;

	if (GENL_REQ_ATTR_CHECK(info, LISTENQ_A_LISTENER_ID))
		return -EINVAL;
	id = nla_get_u64(info->attrs[LISTENQ_A_LISTENER_ID]);
	spin_lock(&lqn->list_lock);
	lst = lq_net_find(lqn, id);
	held = lq_listener_hold(lst);
	spin_unlock(&lqn->list_lock);
	if (!held)
		return lq_no_listener(info);
	mutex_lock(&lst->control);
	/* It may have stopped, or listen anew, before we had the lock. */
	if (lst->listening && READ_ONCE(lst->id) == id)
		err = lq_listener_change(lst, info);
	else
		err = lq_no_listener(info);
	mutex_unlock(&lst->control);
	lq_listener_release(lst);
	return err;
}
