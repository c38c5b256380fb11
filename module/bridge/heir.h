/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bridge's part about a listener that ends: what it hands over, who takes it, and what is parked
 * until somebody does. core.h has what [locked] means.
 */
#ifndef LISTENQ_BRIDGE_HEIR_H
#define LISTENQ_BRIDGE_HEIR_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lq_ack;
struct lq_config;
struct lq_core;
struct lq_key;
struct lq_limits;
struct lq_request;

/*
 * A listener that ends hands over what it has to others, its heirs. Before it closes its half-open
 * requests go, a few under each hold of the lock, while ACKs still find the others; after that what
 * lq_core_close() hands back, and a child whose commit says LQ_COMMIT_CLOSED.
 *
 * [locked] From now on nothing new gets in: SYNs (LQ_SYN_CLOSED), what others hand over. The table
 * stays as it is; one that is being rehashed has to be waited for.
 */
void lq_core_leave(struct lq_core *core);
/*
 * [locked] After lq_core_leave(): *requests are up to @room of those that no ACK is at, for @steps,
 * counted as LISTENQ_DROP_LISTENER_CLOSED. True: there are more.
 */
bool lq_core_leave_requests(struct lq_core *core, u32 steps, u32 room,
			    struct lq_request **requests);
/* [locked] @count of what the core counted as LISTENQ_DROP_LISTENER_CLOSED are an heir's. */
void lq_core_moved(struct lq_core *core, u32 count);

/*
 * [locked] Before lq_core_leave(): from now on nothing new gets in, as after that, until it is @on no
 * more; requests stay, and their ACKs are served.
 */
void lq_core_drain(struct lq_core *core, bool on);

enum lq_inherited {
	LQ_INHERITED_QUEUED,	/* on the SYN queue, or the accept queue */
	LQ_INHERITED_HELD,	/* on the filter queue */
	LQ_INHERITED_FULL,	/* no room: it is the caller's */
	LQ_INHERITED_CLOSED,	/* the heir ends, too: it is the caller's */
	LQ_INHERITED_DUPLICATE, /* the peer has come here already: it is the caller's */
};

/* [locked] @request was half-open at another listener: the timer must run at its .expires. */
enum lq_inherited lq_core_inherit_request(struct lq_core *core, const struct lq_key *key,
					  struct lq_request *request);
/*
 * [locked] @entry was connected at another listener, where it passed the filter @passed (enum
 * lq_filter), and waits since @since_us. Its child's lock is held, and its callbacks its own.
 */
enum lq_inherited lq_core_inherit(struct lq_core *core, struct lq_request *entry, void *child,
				  u8 passed, u32 since_us, u32 now_us);

/*
 * A parking place: a core without a listener, which has been opened by lq_core_open(), keeps what one
 * had that ended, and hands it over as one that ends.
 *
 * [locked] Instead of lq_core_configure(), before it opens: @config and @limits are what the listener
 * had at its end.
 */
void lq_core_park(struct lq_core *core, const struct lq_config *config,
		  const struct lq_limits *limits);

enum lq_parked_verdict {
	LQ_PARKED_PASS, /* nothing that is parked: pass it on, TCP answers with RST */
	LQ_PARKED_KEPT, /* drop the segment: the peer sends it again. *freed: it was an RST */
};

/*
 * [locked] An ACK or RST of a connection that nobody has, which TCP's own checks let near a listener.
 * *freed is the request that it ended, or NULL.
 */
enum lq_parked_verdict lq_core_parked_ack(struct lq_core *core, struct lq_ack *ack,
				  struct lq_request **freed);

#ifdef __cplusplus
}
#endif
#endif
