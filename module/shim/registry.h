/* SPDX-License-Identifier: GPL-2.0 */
/* The listeners of a namespace by their ids, and what each says of itself: for those that look. */
#ifndef LISTENQ_REGISTRY_H
#define LISTENQ_REGISTRY_H

#include "listener.h"

/* lq_net.list_lock held: the first listener whose id is @id or higher, or NULL. */
struct lq_listener *lq_net_first(const struct lq_net *lqn, u64 id);
/* The same lock: the listener whose id is @id, or NULL. */
struct lq_listener *lq_net_find(const struct lq_net *lqn, u64 id);
/* The same lock: the listener with the next id after @lst's, or NULL. */
struct lq_listener *lq_net_after(const struct lq_listener *lst);
/* lst->control held: it has a new id from now on, and readers find it; and not any more. */
void lq_net_list(struct lq_listener *lst);
/* @others: of ours are at its port, and one at its address may keep what it counted. */
void lq_net_unlist(struct lq_listener *lst, bool others);
/* lst->control held, it is unlisted and closed: what it counted since is its address's, too. */
void lq_net_unlisted(struct lq_listener *lst);
/* Process context: sysctls changed. */
void lq_net_reconfigure(struct lq_net *lqn);

/* What the shards have to say, added up; each is locked in turn. No shard's lock held. */
struct lq_listener_state {
	struct listenq_info info; /* all but the id */
	struct lq_counters counters;
	u32 accept_oldest_us; /* lq_core_accept_oldest_us() */
};
void lq_listener_state(struct lq_listener *lst, struct lq_listener_state *state);
void lq_listener_info(struct lq_listener *lst, struct listenq_info *info);

#endif
