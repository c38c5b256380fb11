/* SPDX-License-Identifier: GPL-2.0 */
/* What a listener's limits and verdicts depend on. */
#ifndef LISTENQ_SETTINGS_H
#define LISTENQ_SETTINGS_H

#include "listener.h"
#include "tcp_sysctls.h"

extern const struct lq_overrides lq_follow_all;

/* The sock lives. Any context: take up what changed. */
void lq_listener_apply(struct lq_listener *lst);
static inline void lq_listener_refresh(struct lq_listener *lst)
{
	const struct lq_net *lqn = lst->lqn;

	if (unlikely(READ_ONCE(lst->settings_seen) != (u32)atomic_read(&lqn->settings) ||
		     READ_ONCE(lst->tcp_seen) != lq_tcp_sysctls(lqn->net)))
		lq_listener_apply(lst);
}
/* listen()'s argument, after the kernel's clamp and before it. */
void lq_listener_set_backlog(struct lq_listener *lst, int backlog, int asked);
/* How many shards the settings ask for, at least 1. */
u32 lq_listener_shards_asked(const struct lq_listener *lst);
/* For how long what @lst has is parked as it ends, in ms; 0: not at all. */
u32 lq_listener_grace_ms(const struct lq_listener *lst);
/* settings_lock held, the sock lives: what its limits and verdicts depend on now. */
void lq_listener_config(const struct lq_listener *lst, struct lq_config *config);
void lq_overrides_get(struct lq_listener *lst, struct lq_overrides *to);
void lq_overrides_set(struct lq_listener *lst, const struct lq_overrides *to);
/* The same with another backlog, clamped as listen() does; LQ_FOLLOW: it stays. */
void lq_listener_set(struct lq_listener *lst, const struct lq_overrides *to, int backlog);
/* lst->control held, @lst listens: it takes no new connections, or does again. */
void lq_listener_drain_locked(struct lq_listener *lst, bool on);

#endif
