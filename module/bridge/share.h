/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bridge's part about SO_REUSEPORT groups that share: steal_us and stalled_ms, which
 * linux/listenq.h explains. core.h has what [locked] means.
 *
 * A connection changes its queue with never two locks held:
 *
 *	[its own]	lq_core_steal()		it is in no queue, and holds its place
 *	[the new one]	lq_core_take_stolen()	it is on the accept queue, or is not taken
 *	[its own]	lq_core_steal_end()	its place is free; or it is where it was
 */
#ifndef LISTENQ_BRIDGE_SHARE_H
#define LISTENQ_BRIDGE_SHARE_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lq_core;
struct lq_key;
struct lq_request;

/* Any context: whether steal_us is set, as of the last lq_core_configure(). [locked] */
bool lq_core_steals(const struct lq_core *core);

/*
 * [locked] How long until lq_core_steal() has one: 0: now, LQ_NEVER_US: never, unless another one comes.
 * A connection that was itself stolen is not given away before it has been here for steal_us.
 */
u32 lq_core_steal_due_us(struct lq_core *core, u32 now_us);

/* A connection on its way from one queue to another. */
struct lq_stolen {
	struct lq_request *entry; /* nobody else's; its .child and .stamp_us are as they were */
	u32 life;		  /* the core's that it comes from */
	u8 passed;		  /* enum lq_filter: what it has passed */
};

/* [locked] The oldest, if it is due and accept_max_wait_ms has not come first; or false. */
bool lq_core_steal(struct lq_core *core, u32 now_us, struct lq_stolen *stolen);

/*
 * [locked] By another core: true, it waits there since .stamp_us; it belongs to that core, and may be
 * gone. False: that one is closed or full, or its filter is another.
 */
bool lq_core_take_stolen(struct lq_core *core, const struct lq_stolen *stolen, u32 now_us);

enum lq_steal_end {
	LQ_STEAL_TAKEN,	 /* counted as LISTENQ_EVENT_LENT */
	LQ_STEAL_BACK,	 /* it is the oldest of the queue again */
	LQ_STEAL_CLOSED, /* the listener closed meanwhile: counted as LISTENQ_DROP_LISTENER_CLOSED; the
			  * caller has it for an heir (lq_core_moved() takes the drop back), or resets it */
};
/* [locked] By the core that it comes from. @taken: what lq_core_take_stolen() said. */
enum lq_steal_end lq_core_steal_end(struct lq_core *core, const struct lq_stolen *stolen,
				    bool taken);

/*
 * [locked] Whether a SYN of @key, before lq_core_syn() is asked, is better given to another member. It is
 * not where this one has its request. Where it is, lq_core_redirected() [locked] counts it.
 */
bool lq_core_is_stalled(const struct lq_core *core, const struct lq_key *key, u32 now_us);
void lq_core_redirected(struct lq_core *core);

#ifdef __cplusplus
}
#endif
#endif
