// SPDX-License-Identifier: GPL-2.0
/*
 * LISTENQ_CMD_REQUEST_GET: dump the half-open requests of one listener.
 * Process context. Neither the work nor the locks of one message depend on the
 * length of the queue: a shard's lock is held for LQ_WALK_BUCKETS buckets
 * and LQ_REQUEST_BATCH requests at a time, and lq_net.list_lock only to find
 * the listener.
 */
#include <net/genetlink.h>

#include "clock.h"
#include "genl.h"
#include "listener.h"
#include "net.h"
#include "registry.h"
#include "request_dump.h"
#include "shard.h"

const struct nla_policy lq_request_get_policy[LISTENQ_A_REQUEST_MAX + 1] = {
	[LISTENQ_A_REQUEST_LISTENER] = NLA_POLICY_MIN(NLA_U64, 1),
};

/* A message with all attributes and their padding takes less. */
#define LQ_REQUEST_MSG_SIZE 256
/* Requests that are copied under one hold of a shard's lock. */
#define LQ_REQUEST_BATCH 8

struct lq_request_dump {
	u64 listener;
	u32 shard; /* that is being walked */
	bool interrupted; /* NLM_F_DUMP_INTR: the walk of a shard ended early, or lost its place */
	bool done;
	struct lq_request_cursor cursor;
};

static int lq_put_request(struct sk_buff *msg, struct netlink_callback *cb,
			  const struct lq_request_info *info, u64 listener, u16 port)
{
	const u32 *addr = info->key.addr;
	const int words = info->key.v6 ? 4 : 1;
	const struct {
		int type;
		u32 value;
	} numbers[] = {
		{ LISTENQ_A_REQUEST_IFINDEX, info->key.ifindex },
		{ LISTENQ_A_REQUEST_STATE, info->state },
		{ LISTENQ_A_REQUEST_AGE, info->age_ms },
		{ LISTENQ_A_REQUEST_DUE, info->due_ms },
		{ LISTENQ_A_REQUEST_RETRANS, info->num_retrans },
		{ LISTENQ_A_REQUEST_TIMEOUTS, info->num_timeout },
		{ LISTENQ_A_REQUEST_FLAGS, info->flags },
		{ LISTENQ_A_REQUEST_MSS, info->mss },
		{ LISTENQ_A_REQUEST_SND_WSCALE, info->snd_wscale },
		{ LISTENQ_A_REQUEST_RCV_WSCALE, info->rcv_wscale },
	};
	void *hdr = genlmsg_put(msg, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				&lq_genl_family, NLM_F_MULTI, LISTENQ_CMD_REQUEST_GET);
	size_t i;

	if (!hdr)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, hdr);
	if (nla_put_u64_64bit(msg, LISTENQ_A_REQUEST_LISTENER, listener, LISTENQ_A_REQUEST_PAD) ||
	    nla_put_u16(msg, LISTENQ_A_REQUEST_FAMILY, info->key.v6 ? AF_INET6 : AF_INET) ||
	    nla_put(msg, LISTENQ_A_REQUEST_PEER, words * sizeof(*addr), addr) ||
	    nla_put_u16(msg, LISTENQ_A_REQUEST_PEER_PORT,
			ntohs((__force __be16)info->key.peer_port)) ||
	    nla_put(msg, LISTENQ_A_REQUEST_LOCAL, words * sizeof(*addr), addr + words) ||
	    nla_put_u16(msg, LISTENQ_A_REQUEST_LOCAL_PORT, port))
		goto too_small;
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (nla_put_u32(msg, numbers[i].type, numbers[i].value))
			goto too_small;
	}
	genlmsg_end(msg, hdr);
	return 0;

too_small:
	genlmsg_cancel(msg, hdr);
	return -EMSGSIZE;
}

/* The listener @id with a reference, and its port; or NULL. */
static struct lq_listener *lq_listener_get(struct lq_net *lqn, u64 id, u16 *port)
{
	struct lq_listener *lst;

	spin_lock(&lqn->list_lock);
	lst = lq_net_find(lqn, id);
	if (lst) {
		refcount_inc(&lst->refs);
		*port = inet_sk(lst->sk)->inet_num;
	}
	spin_unlock(&lqn->list_lock);
	return lst;
}

int lq_request_get_start(struct netlink_callback *cb)
{
	struct nlattr *attrs[LISTENQ_A_REQUEST_MAX + 1];
	struct lq_request_dump *dump;
	struct lq_listener *lst;
	u16 port;
	u64 id;
	int err;

	err = genlmsg_parse(cb->nlh, &lq_genl_family, attrs, LISTENQ_A_REQUEST_MAX,
			    lq_request_get_policy, cb->extack);
	if (err)
		return err;
	if (!attrs[LISTENQ_A_REQUEST_LISTENER]) {
		NL_SET_ERR_MSG(cb->extack, "whose requests? The id of the listener is missing");
		return -EINVAL;
	}
	id = nla_get_u64(attrs[LISTENQ_A_REQUEST_LISTENER]);
	lst = lq_listener_get(lq_net(sock_net(cb->skb->sk)), id, &port);
	if (!lst) {
		NL_SET_ERR_MSG_ATTR(cb->extack, attrs[LISTENQ_A_REQUEST_LISTENER],
				    "no listener with this id in this network namespace");
		return -ENOENT;
	}
	lq_listener_put(lst);
	dump = kzalloc(sizeof(*dump), GFP_KERNEL);
	if (!dump)
		return -ENOMEM;
	dump->listener = id;
	cb->args[0] = (long)dump;
	return 0;
}

int lq_request_get_done(struct netlink_callback *cb)
{
	kfree((struct lq_request_dump *)cb->args[0]);
	return 0;
}

/* As much of @lst as @msg has room for. */
static void lq_request_fill(struct sk_buff *msg, struct netlink_callback *cb,
			    struct lq_listener *lst, struct lq_request_dump *dump, u16 port)
{
	struct lq_request_info batch[LQ_REQUEST_BATCH];
	u32 i, count, room;

	while (!dump->done) {
		struct lq_shard *shard = lq_shard_at(lst, dump->shard);

		room = min_t(u32, skb_tailroom(msg) / LQ_REQUEST_MSG_SIZE, ARRAY_SIZE(batch));
		if (!room)
			return;
		spin_lock_bh(&shard->lock);
		count = lq_core_requests(shard->core, &dump->cursor, lq_now(), lq_now_us(), batch,
					 room);
		spin_unlock_bh(&shard->lock);
		dump->interrupted |= dump->cursor.interrupted;
		cb->seq = dump->interrupted ? 2 : 1;
		for (i = 0; i < count; i++)
			WARN_ON_ONCE(lq_put_request(msg, cb, &batch[i], dump->listener, port));
		if (dump->cursor.done) {
			memset(&dump->cursor, 0, sizeof(dump->cursor));
			dump->done = ++dump->shard == lst->shard_count;
		}
		cond_resched();
	}
}

/* cb->seq: 1, or 2 once the dump is interrupted. cb->args[0]: the struct lq_request_dump. */
int lq_request_get_dumpit(struct sk_buff *msg, struct netlink_callback *cb)
{
	struct lq_request_dump *dump = (struct lq_request_dump *)cb->args[0];
	struct lq_listener *lst;
	u16 port;

	if (dump->done)
		return 0;
	lst = lq_listener_get(lq_net(sock_net(msg->sk)), dump->listener, &port);
	if (lst) {
		lq_request_fill(msg, cb, lst, dump, port);
		lq_listener_put(lst);
	} else {
		cb->seq = 2; /* it closed meanwhile */
		dump->done = true;
	}
	return msg->len;
}
