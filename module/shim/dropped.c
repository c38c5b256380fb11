// SPDX-License-Identifier: GPL-2.0
/*
 * LISTENQ_CMD_DROPPED_GET: where those come from that one listener dropped of late. Process context.
 * lq_net.list_lock is held only to find the listener, each shard's lock for a copy.
 */
#include <net/genetlink.h>

#include "clock.h"
#include "dropped.h"
#include "genl.h"
#include "listener.h"
#include "net.h"
#include "registry.h"
#include "shard.h"

const struct nla_policy lq_dropped_get_policy[LISTENQ_A_DROPPED_MAX + 1] = {
	[LISTENQ_A_DROPPED_LISTENER] = NLA_POLICY_MIN(NLA_U64, 1),
};

/* Too much for a stack. */
struct lq_dropped {
	struct lq_prefixes sum, one;
	struct lq_prefix_share shares[LQ_PREFIXES];
};

static void lq_dropped_read(struct lq_listener *lst, struct lq_dropped *dropped)
{
	struct lq_shard *shard;
	u32 i;

	lq_for_each_shard(lst, shard, i) {
		struct lq_prefixes *to = i == 0 ? &dropped->sum : &dropped->one;

		spin_lock_bh(&shard->lock);
		lq_core_dropped_from(shard->core, lq_now(), to);
		spin_unlock_bh(&shard->lock);
		if (i > 0)
			lq_core_prefixes_add(&dropped->sum, to);
	}
}

static int lq_put_prefix(struct sk_buff *msg, const struct lq_prefix_share *share)
{
	struct nlattr *nest = nla_nest_start(msg, LISTENQ_A_DROPPED_PREFIX);

	if (!nest ||
	    nla_put(msg, LISTENQ_A_PREFIX_ADDR, share->v6 ? 16 : 4, share->addr) ||
	    nla_put_u32(msg, LISTENQ_A_PREFIX_LENGTH, share->length) ||
	    nla_put_u32(msg, LISTENQ_A_PREFIX_COUNT, share->count) ||
	    nla_put_u32(msg, LISTENQ_A_PREFIX_EXCESS, share->excess))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int lq_put_dropped(struct sk_buff *msg, struct genl_info *info, u64 id,
			  struct lq_dropped *dropped)
{
	const u32 count = lq_core_prefixes_top(&dropped->sum, dropped->shares, LQ_PREFIXES);
	void *hdr = genlmsg_put_reply(msg, info, &lq_genl_family, 0, LISTENQ_CMD_DROPPED_GET);
	u32 i;

	if (!hdr ||
	    nla_put_u64_64bit(msg, LISTENQ_A_DROPPED_LISTENER, id, LISTENQ_A_DROPPED_PAD) ||
	    nla_put_u32(msg, LISTENQ_A_DROPPED_TOTAL, dropped->sum.total))
		return -EMSGSIZE;
	for (i = 0; i < count; i++) {
		if (lq_put_prefix(msg, &dropped->shares[i]))
			return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

static int lq_dropped_reply(struct genl_info *info, struct lq_listener *lst, u64 id)
{
	struct lq_dropped *dropped = kzalloc(sizeof(*dropped), GFP_KERNEL);
	struct sk_buff *msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	int err = -ENOMEM;

	if (dropped && msg) {
		lq_dropped_read(lst, dropped);
		err = lq_put_dropped(msg, info, id, dropped);
	}
	kfree(dropped);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	return genlmsg_reply(msg, info);
}

int lq_dropped_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct lq_net *lqn = lq_net(genl_info_net(info));
	struct lq_listener *lst;
	int err;
	u64 id;

	if (GENL_REQ_ATTR_CHECK(info, LISTENQ_A_DROPPED_LISTENER))
		return -EINVAL;
	id = nla_get_u64(info->attrs[LISTENQ_A_DROPPED_LISTENER]);
	spin_lock(&lqn->list_lock);
	lst = lq_net_find(lqn, id);
	if (lst)
		refcount_inc(&lst->refs);
	spin_unlock(&lqn->list_lock);
	if (!lst) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[LISTENQ_A_DROPPED_LISTENER],
				    "no listener with this id in this network namespace");
		return -ENOENT;
	}
	err = lq_dropped_reply(info, lst, id);
	lq_listener_put(lst);
	return err;
}
