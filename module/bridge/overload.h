/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bridge's part about an accept queue that is served too slowly: its settings, and who leaves it
 * without accept(). core.h has what [locked] means.
 */
#ifndef LISTENQ_BRIDGE_OVERLOAD_H
#define LISTENQ_BRIDGE_OVERLOAD_H

#include "types.h"

#include "../../uapi/linux/listenq.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lq_core;
struct lq_request;

/*
 * What is done when accept() comes too late, or will never come (grace_ms, which is shim/grace.c's):
 * settings of the namespace, the listener and the socket,
 * all of these names. X(NAME, name, lowest, highest, default); linux/listenq.h says what they mean.
 */
/* clang-format off */
#define LQ_OVERLOAD_SETTINGS(X) \
	X(ACCEPT_MAX_WAIT_MS, accept_max_wait_ms, 0, 3600000, 0) \
	X(ACCEPT_DEAD,        accept_dead,        0, __LISTENQ_DEAD_MAX - 1, LISTENQ_DEAD_SKIP) \
	X(ACCEPT_ORDER,       accept_order,       0, __LISTENQ_ORDER_MAX - 1, LISTENQ_ORDER_FIFO) \
	X(CODEL_TARGET_MS,    codel_target_ms,    0, 60000, 0) \
	X(CODEL_INTERVAL_MS,  codel_interval_ms,  1, 60000, 100) \
	X(SYN_ADMISSION_MS,   syn_admission_ms,   0, 3600000, 0) \
	X(GRACE_MS,           grace_ms,           0, 600000, 0) \
	X(STEAL_US,           steal_us,           0, 60000000, 0) \
	X(STALLED_MS,         stalled_ms,         0, 3600000, 0)
/* clang-format on */

struct lq_overload {
#define LQ_X(NAME, name, low, high, initial) u32 name;
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
};

/* Those of them that have names: the number of one, or -1; @name need not end in NUL. */
int lq_core_dead_find(const char *name, size_t length);
const char *lq_core_dead_name(u32 dead);
int lq_core_order_find(const char *name, size_t length);
const char *lq_core_order_name(u32 order);

/*
 * Both are for a listener that lq_core_manages() nothing of. If what they gave is no living
 * connection after all, lq_core_accept_undo() [locked] puts it back before the lock is let go, for
 * lq_core_accept_next(). @at_once: by the second of them.
 */
void lq_core_accept_undo(struct lq_core *core, struct lq_request *entry, u32 now_us, bool at_once);

/* [locked] accept() is to ask lq_core_accept_next(), and the oldest may come to expire. */
bool lq_core_manages(const struct lq_core *core);

/* What is to be seen of a connection, by its child. */
enum lq_peer {
	LQ_PEER_THERE,	  /* it is connected, and may have closed its side */
	LQ_PEER_FINISHED, /* it has closed its side, and nothing came before that */
	LQ_PEER_GONE,	  /* there is no connection any more: reset, or timed out */
};

/*
 * [locked] Who is to leave the queue next, or NULL: it stays, until lq_core_accept_judge() has
 * taken it off under the same hold of the lock. That says LISTENQ_DROP_NONE: accept() has it, as by
 * lq_core_accept() or @at_once; else why not, and the caller resets its child and frees it, with no
 * lock held, and asks for the next one.
 */
struct lq_request *lq_core_accept_next(struct lq_core *core, u32 now_us);
u8 lq_core_accept_judge(struct lq_core *core, struct lq_request *entry, enum lq_peer peer,
			u32 now_us, bool at_once);

/*
 * [locked] One that has waited for accept_max_wait_ms, taken off and counted, for the caller to
 * reset and free; or NULL. And how long until there is one: 0: now, LQ_NEVER_US: never.
 */
struct lq_request *lq_core_accept_expire(struct lq_core *core, u32 now_us);
u32 lq_core_accept_due_us(const struct lq_core *core, u32 now_us);

/*
 * [locked] A sweep for those that are gone, a part under each hold of the lock. The next entry to be
 * looked at, the oldest first; NULL: that was all, and what comes then begins anew. Its judge says
 * LISTENQ_DROP_NONE: it stays; else as lq_core_accept_judge(). One at a time.
 */
struct lq_request *lq_core_sweep_next(struct lq_core *core);
u8 lq_core_sweep_judge(struct lq_core *core, struct lq_request *entry, enum lq_peer peer,
		       u32 now_us);

/* [locked] What waits, from the oldest, @after NULL, on to the newest; NULL: there is no more. */
const struct lq_request *lq_core_accept_after(const struct lq_core *core,
					      const struct lq_request *after);
/* Whether accept() would not hand it out. */
bool lq_core_skips(const struct lq_core *core, enum lq_peer peer);

#ifdef __cplusplus
}
#endif
#endif
