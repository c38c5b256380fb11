/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bridge: every call between the shims (C, kernel) and the core (C++).
 *
 * The core decides, the shims act. A shim turns a segment, a timer tick or a
 * system call into plain values, asks the core under its shard's lock, and
 * carries out the verdict. Nothing here refers to kernel types, so the core
 * and its callers compile on any host.
 *
 * How a SYN becomes an accepted socket
 * ------------------------------------
 *   all      shim/hook.c                               before TCP's receive path
 *            shim/receive.c, lookup.h                  find the listener
 *                             lq_core_shard()          find the shard
 *   SYN      shim/syn.c       lq_core_syn()            reserve room in the SYN queue
 *                             (route, LSM, memory)
 *                             lq_core_syn_commit()     put the request on the SYN queue
 *                             SYN-ACK
 *   ACK      shim/ack.c       lq_core_ack()            find it, reserve an accept slot
 *                             syn_recv_sock()          build the child
 *                             lq_core_promote_commit() move it to the accept queue
 *   data     shim/held.c      lq_core_filter_feed()    with an accept filter: has enough come?
 *                             lq_core_filter_pass()    move it on to the accept queue
 *            shim/reaper.c    lq_core_filter_take()    or later, when there is room
 *   accept() shim/accept.c    lq_core_accept()         pop the child
 *                             lq_core_accept_next()    or ask for each whether it may go
 *   overload shim/cull.c      lq_core_accept_expire()  who waited too long, who is gone
 *                             lq_core_sweep_next()
 *   timer    shim/timer.c     lq_core_tick()           SYN-ACKs again, expiry, the end of episodes
 *   events   shim/event.c     lq_core_event()          what to tell the readers of netlink
 *   close    shim/shard.c     lq_core_close()          empty both queues
 *
 * Locking
 * -------
 * A listener is one shard or several, each a struct lq_core with a spinlock, a
 * timer and a work of its own; a connection belongs to the same one from its SYN to accept().
 * lq_shard.lock protects the core and every request on its queues. A call marked
 * [locked] needs it; a call without the mark is a pure function. The lock is taken
 * with bottom halves disabled, and never two of them.
 *
 * Order, outermost first:
 *
 *	mutex_lock(&lq_hook_mutex);		process; the handlers and their count
 *	lock_sock(sk);				process; attach, detach, listen()
 *	mutex_lock(&lst->control);		process; start, stop, filters
 *	spin_lock(&ports->lock);		process; the tables of shim/ports.c
 *	lock_sock(child);			process; a child that a filter held, or that is reset
 *	bh_lock_sock(child);			softirq; a child being built or held
 *	spin_lock(&lqn->list_lock);		process; the tree of listeners
 *	spin_lock(&lst->settings_lock);		both; shim/settings.c
 *	spin_lock(&lqn->parked_lock);		process; who ends a parking place: shim/grace.c
 *	spin_lock(&shard->lock);		both; the core; parked->lock of a parking place is another
 *	spin_lock(&queue->rskq_lock);		both; sk_ack_backlog, carriers
 *
 * A user can hold the lock_sock of his own socket for as long as he likes (a system call that
 * copies from memory that never comes). So only his own system calls on it wait for that: never
 * with anything of the others' held, and neither sysctls, netlink nor works wait for it: works of
 * adoption and release try for it, and come again. For the same
 * reason our own options are copied before it is taken. lst->control, which netlink and works do
 * take, waits for memory and for the locks of children that no process has yet.
 *
 * TCP's own listen(), shutdown() and connect() take lock_sock themselves, after we let it go; what
 * comes between is sorted out afterwards (shim/listen.c), and guard.c tells of every end.
 * lq_hook_mutex is never taken with lock_sock held.
 * Nothing is allocated, sent, woken or freed under a shard's lock, except that a
 * request's memory is returned by the core for the caller to free afterwards, and that
 * a work is queued, which stop can cancel only if it comes before the core closes.
 * Netlink events follow that: shim/event.c takes them from the core under the
 * lock and sends them without it, in softirq or process context.
 *
 * A segment whose request is being promoted waits for the child (LQ_ACK_WAIT): its
 * CPU spins, in softirq and with no lock held, until TCP's lookup finds the child or
 * the promotion has failed. What it waits for is done in softirq, too, waits for no
 * other segment, and holds only the child's lock and, for its commit, the shard's.
 *
 * lookup.h finds listeners by address and port in lq_net.ports, under RCU, by an entry that each
 * start makes anew. Segments of a listener's last life may find its core open again: what they
 * reserved there tells so (.life), and a child of theirs is reset. Remembered routes belong to
 * their CPU, with softirqs off.
 *
 * References
 * ----------
 *   thing          owner                         ends
 *   lq_listener    the sock it is attached to    lq_listener_drop_owner(), by close() or connect()
 *                  a listen() under way          its end
 *                  the work that ends it         its end (with the sock)
 *                  an accept() that looks        before it waits or returns
 *                  a dump of its requests        the end of the message
 *                  the work that takes the ULP   its end (with the sock and the module)
 *                  off, as it is adopted
 *                  a parking place               its end (with the sock, and so the namespace)
 *                  a grace period of feed.c      its end
 *                                                then an RCU grace period (segments in
 *                                                flight) before the memory goes
 *   lq_request     the shim that allocated it    lq_core_syn_commit() takes it
 *                  the core, while queued        handed back for freeing by expiry,
 *                                                RST, accept, abort and close
 *                  the ACK that promotes it      commit or abort; nothing else touches
 *                                                a request marked promoting
 *   child          the ACK, until commit         then the filter queue or the accept queue
 *                  the filter queue              the filter passes: the accept queue;
 *                                                reset, eviction, refusal, close
 *                  the accept queue              accept() or close; or who took it off to reset it:
 *                                                an accept(), shim/cull.c's work
 *                  a parking place               handed over to a listener, or reset: shim/grace.c
 *   an entry of    the queue, or the work or     freed only after the child's callbacks are
 *   the filter     the evictor that took it      its own again, which is done under the
 *   queue          from there; stop waits for    child's lock: shim/held.c
 *                  both
 *   a filter's     its listener                  the filter is removed, or the listener stops;
 *   program                                      then an RCU grace period (callbacks)
 *   the SYN        its shard's core              replaced by table.c's work, or close
 *   queue's table
 *   a remembered   its slot, of one CPU          another route in the slot, or the end of the
 *   route                                        namespace (shim/route.c)
 *   a parking      lq_net.parked                 whoever claims it, or its deadline; then an RCU grace
 *   place                                        period (segments). It holds a user of the handlers
 *   lq_guard       TCP's list of Fast Open       TCP, when its listener ends (shim/guard.c)
 *                  resets, while TCP listens
 *   module         every socket with our ops     sock_release(), or lq_left_one() when it is about
 *                                                to connect, or released; accepted sockets have the
 *                                                kernel's own ops and hold none
 *                  our ULP on a sock             lq_ulp_off(), or the sock's end
 *                  an operation that may sleep   its end
 *
 * Time: "ticks" are jiffies truncated to 32 bits, lq_config.hz a second;
 * "us" are microseconds of a monotonic clock truncated to 32 bits.
 */
#ifndef LISTENQ_BRIDGE_CORE_H
#define LISTENQ_BRIDGE_CORE_H

#include "heir.h"
#include "overload.h"
#include "share.h"
#include "types.h"

#include "../../uapi/linux/listenq.h"

#ifdef __cplusplus
extern "C" {
#endif

/* lq_request.flags */
#define LQ_REQ_V6 0x01	      /* addr[] holds 8 words, not 2 */
#define LQ_REQ_TSTAMP 0x02    /* timestamps agreed (RFC 7323) */
#define LQ_REQ_WSCALE 0x04    /* window scaling agreed (RFC 7323) */
#define LQ_REQ_SACK 0x08      /* SACK agreed (RFC 2018) */
#define LQ_REQ_ECN 0x10	      /* ECN agreed (RFC 3168) */
#define LQ_REQ_ACKED 0x20     /* the final ACK came and could not be used */
#define LQ_REQ_PROMOTING 0x40 /* an ACK is building the child */
#define LQ_REQ_ORPHAN 0x80    /* promoting, and the listener closed meanwhile */
/* The same bits, once the child is built: */
#define LQ_REQ_READY 0x20     /* on the filter queue, until the accept queue has room */
#define LQ_REQ_HELD 0x40      /* on the filter queue, or of those that lq_core_close() handed back */
#define LQ_REQ_REFUSED 0x80   /* on the filter queue, and the filter will not have it */

/* How far an accept filter has read; protected by the child's lock. */
struct lq_filter_state {
	u32 left; /* bytes still to come */
	u8 kind;  /* enum lq_filter */
	u8 step;  /* the parser's own */
	u8 index;
	u8 locked; /* the shim's: to be taken back from the child's sk_userlocks */
};

/*
 * One half-open connection, and after promotion one entry of the accept queue or of the filter
 * queue: 64 bytes for IPv4, 88 for IPv6, all of it protected by its shard's lock, but for what a
 * filter has read. It has two phases, one after the other in the same 40 bytes: the child is
 * what begins the second, and nothing of the first is read after that.
 * The shim fills it before lq_core_syn_commit() and writes only owner, rcvlowat, filter and
 * filter_seen afterwards.
 */
struct lq_request {
	struct lq_request *next; /* hash chain, accept or filter queue, or list handed back */
	union {
		struct { /* half-open: on the SYN queue, or its ACK builds the child */
			u32 rcv_isn;	  /* the SYN's sequence number */
			u32 snt_isn;	  /* the SYN-ACK's */
			u32 ts_recent;	  /* peer's TSval, to echo; with LQ_REQ_TSTAMP */
			u32 ts_off;	  /* offset of our TSval */
			u32 expires;	  /* ticks: when the timer looks at it next */
			u32 rcv_wnd;	  /* bytes; the first window; a SYN-ACK says at most 65535 */
			u32 ifindex;	  /* the interface it is bound to, 0: any */
			u32 mark;	  /* fwmark of the reply */
			u16 window_clamp; /* largest window to offer, in units of our scale */
			u16 mss;	  /* bytes; what the peer takes */
			u8 num_timeout;	  /* timer runs that found it due */
			u8 wscale;	  /* the peer's shift in bits 0-3, ours in bits 4-7 */
			u8 syn_tos;	  /* DS field of the SYN */
			u8 num_retrans;	  /* SYN-ACKs sent beyond the first */
		};
		struct { /* connected: on the accept queue or, all but the child, on the filter queue */
			void *child;		       /* a struct sock */
			struct lq_request *prev;       /* the core's */
			void *owner;		       /* the shim's: its shard */
			s32 rcvlowat;		       /* the child's own, the shim's */
			struct lq_filter_state filter; /* how far the filter has read */
			u32 filter_seen;	       /* bytes that it has read */
		};
	};
	u32 stamp_us;  /* SYN-ACK first sent; connected: put on the accept or filter queue */
	u16 peer_port; /* network byte order */
	u8 flags;      /* LQ_REQ_* */
	u8 oow_stamp;  /* half-open; 1/16 s, 0 none: last reply to a duplicate or out-of-window one */
	u32 addr[2];   /* network order; v4: peer, local; v6: words 0-3, 4-7 (beyond the end) */
};

#define LQ_REQUEST_SIZE_V4 sizeof(struct lq_request)
#define LQ_REQUEST_SIZE_V6 (sizeof(struct lq_request) + 6 * sizeof(u32))

/* Who talks to whom, as a segment says it. The local port is the listener's. */
struct lq_key {
	u32 addr[8];	/* network order; v4 uses words 0 (peer) and 1 (local) */
	u32 ifindex;	/* where the segment came in */
	u32 l3_ifindex; /* the VRF's slave, or 0 (inet_sdif()) */
	u16 peer_port;	/* network byte order */
	u8 v6;
};

/* Random bits, the table's drawn for each listener, the others for each namespace; they stay in the module. */
#define LQ_TABLE_KEYS 10
struct lq_keys {
	u64 table[LQ_TABLE_KEYS]; /* hash table of the SYN queue, shards */
	u64 isn[2];   /* RFC 6528 sequence numbers, timestamp offsets */
	u64 cookie[2]; /* SYN cookies */
};

/* A final ACK that finds the accept queue full: RST, or the request is kept for another time. */
enum lq_abort {
	LQ_ABORT_BY_POLICY, /* as the policy's system does */
	LQ_ABORT_ALWAYS,
	LQ_ABORT_NEVER,
};

/* Everything that a limit or a verdict depends on, from sysctls and socket options. */
struct lq_config {
	u32 hz;		       /* ticks per second, at least 16 */
	u32 max_syn_backlog;   /* 1..1048576 */
	u32 synack_timeout_ms; /* first retransmission, 10..120000 */
	u32 oow_ratelimit_ms;  /* net.ipv4.tcp_invalid_ratelimit */
	s32 backlog_asked;     /* listen()'s argument as the program gave it */
	s32 backlog;	       /* the same after the kernel's clamp to somaxconn */
	u32 somaxconn;	       /* net.core.somaxconn */
	u32 soacceptqueue;     /* net.listenq.soacceptqueue: FreeBSD's own clamp */
	u32 syn_ceiling;       /* of syn_limit, whatever the policy; 0: none */
	u32 filter_timeout_ms; /* how long a filter may hold a connection, 0: for ever; 0..3600000 */
	u8 policy;	       /* enum lq_policy, below LQ_POLICY_COUNT */
	u8 abort_on_overflow;  /* enum lq_abort */
	u8 synack_retries;     /* SYN-ACKs after the first */
	u8 defer_accept;       /* TCP_DEFER_ACCEPT, in retransmissions; 0 off */
	u8 syncookies;	       /* 0 never, 1 when the SYN queue is full, 2 always */
	u8 syncookie_pause;    /* after an overflow only cookies for a while, as FreeBSD */
	u8 own_timing;	       /* synack_retries or _timeout_ms was set: no system's schedule */
	struct lq_overload overload;
};

/* Accept filters; the names and what each waits for are in core/accept_filter.cc. */
enum lq_filter {
	LQ_FILTER_NONE,
	LQ_FILTER_DATAREADY,
	LQ_FILTER_HTTPREADY,
	LQ_FILTER_DNSREADY,
	LQ_FILTER_TLSREADY,
	LQ_FILTER_BPF, /* a program of the user's, run by the shim */
	LQ_FILTER_COUNT
};

/* Index of a filter that can be set by name, or -1. @name need not end in NUL. */
int lq_core_filter_find(const char *name, size_t length);
const char *lq_core_filter_name(u8 filter);

enum lq_filter_verdict {
	LQ_FILTER_WAIT,
	LQ_FILTER_PASS,
	LQ_FILTER_REFUSE,
};

/*
 * The next @length bytes of a connection's data, each to be given once and in
 * order. @state begins as {.kind = filter}. After LQ_FILTER_PASS nothing more
 * is asked. LQ_FILTER_BPF is not for here.
 */
enum lq_filter_verdict lq_core_filter_feed(struct lq_filter_state *state, const u8 *bytes,
					   size_t length);

/* What a backlog means; the names and rules are in core/policy.cc. */
/* clang-format off */
#define LQ_POLICIES(X) \
	X(LINUX) X(LINUX_CLASSIC) X(LINUX_MODERN) X(LINUX_2_4) X(BSD) X(BERKELEY) X(FREEBSD) \
	X(FREEBSD_4) X(AIX) X(HPUX) X(SOLARIS) X(XNU) X(WINDOWS) X(LINUX_2_0) X(BSDOS_3_0) \
	X(ILLUMOS)
/* clang-format on */

enum lq_policy {
#define LQ_X(NAME) LQ_POLICY_##NAME,
	LQ_POLICIES(LQ_X)
#undef LQ_X
		LQ_POLICY_COUNT
};

/* lq_core_limits(): how much the queues may hold under a config. */
struct lq_limits {
	u32 backlog;	  /* in force */
	u32 accept_limit; /* connections on the accept queue, at least 1 */
	u32 syn_limit;	  /* requests on the SYN queue */
	u32 syn_buckets;  /* power of two; the most that the SYN queue's table grows to */
	u32 filter_limit; /* connections on the filter queue, at least 1 */
	u32 bucket_limit; /* requests in one bucket of the SYN queue, at least 1 */
	u32 admit_limit;  /* accept_limit, or with syn_admission_ms fewer, 1 at least: the core's */
};
void lq_core_limits(const struct lq_config *config, struct lq_limits *limits);

/* Index of a policy by name, or -1. @name need not end in NUL. */
int lq_core_policy_find(const char *name, size_t length);
const char *lq_core_policy_name(u8 policy);

/* --- the core of one shard --- */

struct lq_core; /* listenq::Listener; lq_core_size() bytes from the shim */

size_t lq_core_size(void);

/* @memory: lq_core_size() bytes, 8-byte aligned, of any content. No table yet. */
struct lq_core *lq_core_init(void *memory, const struct lq_keys *keys);

/*
 * [locked] listen(), or a setting changed: take new limits, at any time, before lq_core_open() for
 * the first time. It always succeeds; nothing queued is lost, and the table stays.
 */
void lq_core_configure(struct lq_core *core, const struct lq_config *config,
		       const struct lq_limits *limits);

/* [locked] How many buckets the table for lq_core_open() has. */
u32 lq_core_table_first(const struct lq_core *core);

/* [locked] Let SYNs in. @buckets: zeroed memory for @count pointers. */
void lq_core_open(struct lq_core *core, struct lq_request **buckets, u32 count);

/*
 * [locked] How many buckets the table should have for what it holds now; 0: it is fine, or the
 * core is closed. A commit of a SYN, the timer when it stops, and new limits may change that.
 */
u32 lq_core_table_wanted(const struct lq_core *core);

/*
 * [locked] Replace the table. @buckets: zeroed memory for @count pointers. False: the core wants
 * another number now, and @buckets is the caller's. True: the old table's requests stay there,
 * and are found there, until lq_core_rehash() has moved them, which must follow.
 */
bool lq_core_resize(struct lq_core *core, struct lq_request **buckets, u32 count);

/*
 * A step is a bucket or a request that is looked at: how long a call takes, whatever the queue
 * holds and however it is spread. A call ends with the bucket that it is at, which has
 * lq_limits.bucket_limit requests at most, and those whose SYNs were reserved at the same time.
 */
#define LQ_STEPS_AT_ONCE 512

/*
 * [locked] After lq_core_resize(): move what the old table holds, for @steps. NULL: there is
 * more, let go of the lock and call again. Otherwise the old table, for the caller to free.
 */
void *lq_core_rehash(struct lq_core *core, u32 steps);

/*
 * [locked] Close all queues: nothing gets in any more. What is queued is handed
 * back as three lists linked by ->next: half-open requests, and entries whose
 * child is to be reset. The SYN queue is emptied for @steps, once lq_core_rehash() is
 * done; the others cost the same however long they are. True: there is more, let go of
 * the lock and call again before lq_core_open(). The connections that were held
 * are to be out of their children's callbacks by then, too.
 * A request being promoted stays with its ACK, whose commit then answers
 * LQ_COMMIT_CLOSED. Episodes end: lq_core_event() has their ends until the lock
 * is let go for the first time.
 */
struct lq_drained {
	struct lq_request *requests;
	struct lq_request *connections;
	struct lq_request *held; /* by an accept filter; LQ_REQ_REFUSED: counted already */
	void *table;		 /* to be freed; NULL while there is more */
};
bool lq_core_close(struct lq_core *core, u32 steps, struct lq_drained *drained);

/*
 * A listener that is being released takes no new SYNs; those that it knows it answers as ever.
 *
 * [locked] Nothing is queued, reserved or under way, and the last cookie was sent at least 16 s
 * before @now_s: closed now, it loses nothing.
 */
bool lq_core_is_drained(const struct lq_core *core, u32 now_s);
/* [locked] Whether there is a half-open request of this connection. */
bool lq_core_has_request(const struct lq_core *core, const struct lq_key *key);

/* --- a SYN --- */

struct lq_syn {
	struct lq_key key;
	const u8 *options; /* the octets after the fixed header */
	size_t options_length; /* 0..40 */
	u32 seq;
	u32 payload;	/* bytes of data */
	u32 now;	/* ticks */
	u32 now_s;	/* seconds of a clock that does not go back */
	bool from_time_wait; /* reuses a TIME_WAIT pair: a full SYN queue does not matter */
	u8 reason;	/* out: enum listenq_drop */
	bool event_pending; /* out: an event waits for lq_core_event() */
	bool cookies_on; /* out: tcp_syn_flood_action() would count TCPReqQFullDoCookies */
	u32 hash;	/* out, with LQ_SYN_NEW: for lq_core_syn_commit() */
	u32 life;	/* the same */
};

enum lq_syn_verdict {
	LQ_SYN_NEW,	  /* room reserved: commit or abort must follow; *freed may be set */
	LQ_SYN_COOKIE,	  /* answer with a cookie, lq_core_cookie(); keep nothing */
	LQ_SYN_DUPLICATE, /* *copy holds the request: send its SYN-ACK again */
	LQ_SYN_CHALLENGE, /* *copy holds the request: send an ACK (RFC 9293 3.10.7.4) */
	LQ_SYN_RESET,	  /* answer with RST; *freed may be set */
	LQ_SYN_DROP,	  /* say nothing; reason tells why */
	LQ_SYN_CLOSED,	  /* the listener ends: ask another, or lq_core_count_drop() */
};

/* Room for a copy of either family's request. */
union lq_request_copy {
	struct lq_request request;
	u8 bytes[sizeof(struct lq_request) + 6 * sizeof(u32)];
};

/*
 * [locked] *freed is a request that ended here (an in-window SYN kills it, a
 * full queue evicts it), to be freed by the caller, or NULL.
 */
enum lq_syn_verdict lq_core_syn(struct lq_core *core, struct lq_syn *syn,
				union lq_request_copy *copy, struct lq_request **freed);

enum lq_commit {
	LQ_COMMIT_OK,
	LQ_COMMIT_DUPLICATE, /* another CPU was first: free yours, say nothing */
	LQ_COMMIT_REFUSED,   /* the last quarter is for proven peers: free yours */
	LQ_COMMIT_CLOSED,    /* the listener closed: free yours; a SYN's is as LQ_SYN_CLOSED */
	LQ_COMMIT_HELD,	     /* on the filter queue, not yet for accept() */
};

/*
 * [locked] Ends a reservation by putting @request on the SYN queue. @proven:
 * the peer is known to be alive (a route metric says so). On anything but
 * LQ_COMMIT_OK the caller keeps @request.
 */
enum lq_commit lq_core_syn_commit(struct lq_core *core, const struct lq_syn *syn,
				  struct lq_request *request, bool proven);

/* [locked] Ends a reservation without a request, for @reason (enum listenq_drop). */
void lq_core_syn_abort(struct lq_core *core, u8 reason);

/*
 * [locked] A SYN-ACK that a verdict, a commit or a tick counted could not be sent, for want of
 * memory or of a route. @as: LISTENQ_EVENT_COOKIE_SENT for LQ_SYN_COOKIE, whose SYN is to be
 * counted as dropped; LISTENQ_EVENT_SYNACK_RETRANS for a tick's; else LISTENQ_EVENT_SYNACK_SENT.
 */
void lq_core_synack_unsent(struct lq_core *core, u8 as);

/* --- an ACK or RST, and whatever is no plain SYN --- */

struct lq_ack {
	struct lq_key key;
	u32 seq;
	u32 end_seq; /* seq + payload + SYN + FIN */
	u32 ack_seq;
	u32 tsval; /* with saw_tstamp */
	u32 tsecr; /* with saw_tstamp */
	u32 now;   /* ticks */
	u32 now_s; /* seconds, as lq_syn.now_s */
	u16 local_port; /* network byte order */
	bool ack;
	bool rst;
	bool syn;
	bool saw_tstamp;
	bool waited; /* LQ_ACK_WAIT is no answer any more */
	bool vetted; /* TCP's own checks let it near a listener: LQ_ACK_VET is no answer any more */
	bool cookie_failed; /* the shim's: it was counted that it brings no good cookie */
	bool cookies_recent; /* a listener at the port sent one of late */
	u8 reason; /* out: enum listenq_drop, for DROP and REFUSE */
	u16 cookie_mss; /* out: with LQ_ACK_COOKIE */
	u32 cookie_ts_off; /* out: with LQ_ACK_COOKIE; of our TSval */
};

enum lq_ack_verdict {
	LQ_ACK_UNKNOWN,	  /* no such request: not ours, pass the segment on */
	LQ_ACK_MAYBE_COOKIE, /* no such request; unless it is a connection's: lq_core_ack_cookie() */
	LQ_ACK_VET,	  /* ours, and it changes more than a promotion does: ask again with .vetted.
			     Nothing was done */
	LQ_ACK_PASS,	  /* ours and wrong: pass it on, TCP answers with RST */
	LQ_ACK_WAIT,	  /* another CPU builds the child, whose this is: ask again until it is
			     there, or with .waited, which makes it LQ_ACK_DROP */
	LQ_ACK_PROMOTE,	  /* slot reserved: vet it, build the child, then commit or abort */
	LQ_ACK_COOKIE,	  /* proved by a cookie, slot reserved: make a request of the ACK, build
			     the child, then commit or abort */
	LQ_ACK_KEEP,	  /* the same, but there is no slot: make a request of the ACK, lq_core_keep(),
			     drop the segment */
	LQ_ACK_DUPLICATE, /* a SYN, and *copy holds the request: send its SYN-ACK again */
	LQ_ACK_CHALLENGE, /* *copy holds the request: send an ACK, drop the segment */
	LQ_ACK_SKIP,	  /* likewise, or a duplicate, but it is too soon for another reply: drop */
	LQ_ACK_DROP,	  /* drop the segment, the request stays (or *freed) */
	LQ_ACK_REFUSE,	  /* *freed; answer with RST: TCP does, if the segment has an ACK */
};

/* A promotion under way: the ACK that holds it may read the request without the lock. */
struct lq_promotion {
	struct lq_request *request; /* with LQ_ACK_COOKIE, LQ_ACK_KEEP: the caller's own, in no queue */
	u32 hash;		    /* the core's */
	bool cookie;		    /* the core's */
	u32 life;		    /* the core's: a listener that listens anew has another */
};

/*
 * [locked] After LQ_ACK_MAYBE_COOKIE, for a segment of no established
 * connection (that one's first segments would prove the same cookie again):
 * LQ_ACK_COOKIE, LQ_ACK_KEEP, LQ_ACK_VET, LQ_ACK_REFUSE (nothing to free), or
 * LQ_ACK_UNKNOWN, which counts a failed cookie.
 */
enum lq_ack_verdict lq_core_ack_cookie(struct lq_core *core, struct lq_ack *ack,
				       struct lq_promotion *promotion);

/*
 * [locked] After LQ_ACK_KEEP: @request waits on the SYN queue for a slot, its ACK has come; the timer
 * looks at it at its .expires. False: there is no room, or it is there already, and @request stays the
 * caller's. *evicted gave way for it, or is NULL; the caller frees it.
 */
bool lq_core_keep(struct lq_core *core, const struct lq_ack *ack,
		  const struct lq_promotion *promotion, struct lq_request *request,
		  struct lq_request **evicted);

/* [locked] Each of the three out-parameters is written only with its own verdict. */
enum lq_ack_verdict lq_core_ack(struct lq_core *core, struct lq_ack *ack,
				union lq_request_copy *copy, struct lq_promotion *promotion,
				struct lq_request **freed);

/*
 * [locked] The child is built: put it on the accept queue, or with an accept
 * filter on the filter queue. LQ_COMMIT_OK, LQ_COMMIT_HELD, or
 * LQ_COMMIT_CLOSED: the caller frees the request and destroys the child.
 * *evicted are those that a filter queue over its limit gives up, or NULL: refused
 * ones, then the oldest of those that wait, which may be this one itself. The
 * caller resets its child and frees it.
 */
enum lq_commit lq_core_promote_commit(struct lq_core *core, const struct lq_promotion *promotion,
				      void *child, u32 now_us, struct lq_request **evicted);

/*
 * [locked] The child was not built: the request is as it was before. *reason says why, and
 * LISTENQ_DROP_NONE that nothing is lost; afterwards it is the drop that is to be told. Returns
 * true if the listener closed meanwhile: the caller frees the request.
 */
bool lq_core_promote_abort(struct lq_core *core, const struct lq_promotion *promotion, u8 *reason);
/*
 * [locked] How many promotions are neither committed nor aborted, those of earlier lives of the listener
 * among them, and of what lq_core_filter_take() gave how much is not yet admitted. Once the listener is
 * closed there are no new ones.
 */
u32 lq_core_promoting(const struct lq_core *core);

/*
 * Whether the peer of @request, which ends without a connection and is in no queue any more, is to be
 * told by RST: its ACK came, so it believes that it is connected. @told: net.listenq.reset_acked.
 */
bool lq_core_owes_reset(const struct lq_request *request, bool told);

/* --- an ICMP error that quotes a SYN-ACK --- */

enum lq_unreachable {
	LQ_UNREACHABLE_UNKNOWN,	     /* no such request: not ours, pass the error on */
	LQ_UNREACHABLE_OUT_OF_WINDOW, /* it quotes another sequence number: ignore it */
	LQ_UNREACHABLE_KEPT,	     /* it means nothing to a request: ignore it */
	LQ_UNREACHABLE_ENDED,	     /* *freed: LISTENQ_DROP_REQUEST_UNREACHABLE */
};

/*
 * [locked] An ICMP error quotes a segment of the connection of @key with @seq; @fatal: its type
 * and code end a request. *freed is the request that it ended, or NULL.
 */
enum lq_unreachable lq_core_unreachable(struct lq_core *core, const struct lq_key *key, u32 seq,
					bool fatal, struct lq_request **freed);

/* --- connections that an accept filter holds --- */

/*
 * One that is held waits for its filter; is ready, when only the accept queue's limit keeps it;
 * or is refused, until the caller has fetched it.
 */

/* [locked] @filter, of enum lq_filter, is for connections to come. Close removes it. */
void lq_core_filter_set(struct lq_core *core, u8 filter);

enum lq_passed {
	LQ_PASSED_NOT,	  /* it does not wait any more, by whatever happened meanwhile */
	LQ_PASSED_READY,  /* there is no room, or others come first: see lq_core_filter_room() */
	LQ_PASSED_QUEUED, /* it is on the accept queue */
};

/* [locked] The filter of @entry is satisfied, or its peer has no more to say. */
enum lq_passed lq_core_filter_pass(struct lq_core *core, struct lq_request *entry, u32 now_us);

/*
 * [locked] @entry was reset by its peer, or timed out: the caller destroys the
 * child and frees @entry. False: it is not held any more, by whatever happened
 * meanwhile; leave it alone.
 */
bool lq_core_filter_gone(struct lq_core *core, struct lq_request *entry);

/*
 * [locked] The filter will not have @entry. It stays on the queue, as the next
 * to leave it, until lq_core_filter_refused(). False: it does not wait any more.
 */
bool lq_core_filter_refuse(struct lq_core *core, struct lq_request *entry);

/*
 * [locked] @entry was evicted and cannot be reset now: put it back, as one that
 * was refused. False: the listener is closed, it is the caller's.
 */
bool lq_core_filter_put_back(struct lq_core *core, struct lq_request *entry);

/* [locked] One that was refused, for the caller to reset and free, or NULL. */
struct lq_request *lq_core_filter_refused(struct lq_core *core);

/* [locked] The filter is removed: @count of those that wait are ready. True: others still wait. */
bool lq_core_filter_release(struct lq_core *core, u32 count);

/* [locked] The same for those that have waited too long. True: there are more of them. */
bool lq_core_filter_expire(struct lq_core *core, u32 now_us, u32 count);

/* [locked] How long until lq_core_filter_expire() has one: 0: now. */
#define LQ_NEVER_US 0xffffffff
u32 lq_core_filter_due_us(const struct lq_core *core, u32 now_us);

/* [locked] How many are ready; and whether one of them has room on the accept queue. */
u32 lq_core_filter_ready(const struct lq_core *core);
bool lq_core_filter_room(const struct lq_core *core);

/*
 * [locked] Take the one that is ready for longest, with a place on the accept queue reserved for
 * it, or NULL. Once its child's callbacks are its own again, lq_core_filter_admit() [locked]
 * puts it there. False: the listener closed meanwhile, the caller resets its child and frees it.
 */
struct lq_request *lq_core_filter_take(struct lq_core *core);
bool lq_core_filter_admit(struct lq_core *core, struct lq_request *entry, u32 now_us);

/* --- accept(), the timer, a look inside --- */

/*
 * [locked] The oldest connection, to be freed after its child is taken, or
 * NULL. It holds its place in the queue until lq_core_accept_done(): the
 * kernel's own count of the queue, which syn_recv_sock() looks at, goes down
 * only then.
 */
struct lq_request *lq_core_accept(struct lq_core *core, u32 now_us);
/* [locked] The same, but it gives up its place at once: the kernel's count goes down under the lock. */
struct lq_request *lq_core_accept_at_once(struct lq_core *core, u32 now_us);
void lq_core_accept_done(struct lq_core *core, u32 count); /* [locked] @count of them */

/* No lock needed: a hint for poll(), waiting and tracing; exact under the lock. */
u32 lq_core_accept_qlen(const struct lq_core *core);
u32 lq_core_syn_qlen(const struct lq_core *core);

/* [locked] For LISTENQ_DROP_x that only a shim can see. */
void lq_core_count_drop(struct lq_core *core, u8 reason);

/* Most SYN-ACKs that one lq_core_tick() asks for. */
#define LQ_TICK_BATCH 16

struct lq_tick {
	u32 now;			    /* in: ticks */
	u32 now_s;			    /* in: seconds, monotonic */
	u32 resend_count;		    /* out */
	union lq_request_copy resend[LQ_TICK_BATCH]; /* out: send these SYN-ACKs */
	struct lq_request *expired;	    /* out: list to free */
	struct lq_request *unserved;	    /* out: the same; their ACK came, and there was no room */
	u32 expired_count;		    /* out: of both */
	u32 silent_count;		    /* out: came due, and nothing is sent */
	u32 wait;			    /* out: ticks until the next call, unless again or idle */
	bool again;			    /* out: not done yet, call once more now, or soon */
	bool idle;			    /* out: nothing is queued or under way, stop the timer */
	bool sweep;			    /* out: who is gone is in the way of others: lq_core_sweep_next() */
};

/*
 * [locked] A part of the clock hand's run, if anything is due. To be called as .again, .idle and
 * .wait say, but for .again not more often than so many times a second: what comes due
 * meanwhile is done together. Whoever makes something due earlier sees to it that it is called:
 * for a request that was committed at its .expires; after LQ_SYN_DUPLICATE, LQ_SYN_CHALLENGE
 * and LQ_ACK_CHALLENGE at lq_core_due(); when an episode began within an interval.
 */
#define LQ_TICKS_PER_SECOND 5
/* Most calls of one run: the rest is for a later one, so that softirqs are not held up. */
#define LQ_TICK_CALLS 8
void lq_core_tick(struct lq_core *core, struct lq_tick *tick);
/* [locked] Ticks; nothing that is queued needs lq_core_tick() before. While something is. */
u32 lq_core_due(const struct lq_core *core);

/* --- events: an overflow, or a time of SYN cookies, began or ended --- */

struct lq_event {
	u8 type;   /* enum listenq_event_type; 0: none */
	u8 reason; /* of an overflow: enum listenq_drop, of its first drop */
	u64 count; /* of what ended: drops, or cookies */
	struct listenq_info info; /* lq_core_info() when it was told, id is the shim's */
};

/*
 * No lock needed: whether lq_core_event() has one to tell; a hint, but sure on
 * the CPU that made it so. Only a drop, a cookie and a tick can.
 */
bool lq_core_event_pending(const struct lq_core *core);

/*
 * [locked] The next event to tell; false: there is none. When one began, the
 * timer must run: it finds the end.
 */
bool lq_core_event(struct lq_core *core, struct lq_event *event);

/* [locked] Fill what the core knows of struct listenq_info (all but id). */
void lq_core_info(const struct lq_core *core, struct listenq_info *info);

/* [locked] listenq_info.overflow_ago_s, which lq_core_info() leaves 0; @now_s: seconds, monotonic. */
u32 lq_core_overflow_ago_s(const struct lq_core *core, u32 now_s);

/*
 * Counters, and how long connections waited for accept() and their handshakes took: histograms, as
 * LISTENQ_A_LISTENER_ACCEPT_WAIT_FINE is one, and all these times added up, us.
 */
struct lq_counters {
	u64 drops[__LISTENQ_DROP_MAX];
	u64 events[__LISTENQ_EVENT_MAX];
	u64 accept_wait_us;
	u64 handshake_us;
	u64 accept_wait[LISTENQ_WAIT_BUCKETS];
	u64 handshake[LISTENQ_WAIT_BUCKETS];
};
/* [locked] They are added to *sum: a listener's are those of all its shards. */
void lq_core_counters(const struct lq_core *core, struct lq_counters *sum);
/* LISTENQ_A_LISTENER_ACCEPT_WAIT, LISTENQ_HIST_BUCKETS, of such a histogram. */
void lq_core_wait_octaves(const u64 *waits, u64 *octaves);

/*
 * Where those come from that were dropped of late: prefixes, /24 of IPv4 and /64 of IPv6, each with
 * about how often. Not among them are drops of LISTENQ_DROPS_HARMLESS, of a listener that closes, and of
 * SYNs by lq_core_syn_abort() and lq_core_count_drop(). All counts are halved every 8 s.
 */
#define LQ_PREFIX_SETS 4
#define LQ_PREFIX_WAYS 4
#define LQ_PREFIXES (LQ_PREFIX_SETS * LQ_PREFIX_WAYS)
struct lq_prefix { /* the core's */
	u32 words[2];
	u32 count;
	u32 excess;
};
struct lq_prefixes {
	struct lq_prefix slots[LQ_PREFIX_SETS][LQ_PREFIX_WAYS];
	u32 total; /* of all, those that are in no slot too */
};
void lq_core_dropped_from(const struct lq_core *core, u32 now, struct lq_prefixes *out); /* [locked] */

/* What several shards of one listener say, added up. */
void lq_core_prefixes_add(struct lq_prefixes *sum, const struct lq_prefixes *more);

struct lq_prefix_share {
	u32 addr[4]; /* network order; of IPv4 word 0 */
	u8 v6;
	u8 length;  /* bits of the prefix */
	u32 count;  /* it has had so many, or fewer, */
	u32 excess; /* by so many at most */
};
/* The @room of them that have most, the most frequent first; returns their number. */
u32 lq_core_prefixes_top(const struct lq_prefixes *all, struct lq_prefix_share *out, u32 room);

/* [locked] How long the oldest connection has waited for accept(), modulo 2^32; 0: none does. */
u32 lq_core_accept_oldest_us(const struct lq_core *core, u32 now_us);

/* One half-open request as a reader may know it: no sequence number, nothing of a key. */
struct lq_request_info {
	struct lq_key key;
	u32 age_ms;	/* since the SYN-ACK was first sent; begins anew after 2^32 us */
	u32 due_ms;	/* until the timer looks at it; 0: now */
	u16 mss;	/* bytes; what the peer takes */
	u8 state;	/* enum listenq_request_state */
	u8 flags;	/* LISTENQ_REQUEST_F_* */
	u8 num_retrans; /* SYN-ACKs sent beyond the first */
	u8 num_timeout; /* timer runs that found it due */
	u8 snd_wscale;	/* the peer's shift; with LISTENQ_REQUEST_F_WSCALE */
	u8 rcv_wscale;	/* ours */
};

/*
 * Where a walk over the SYN queue is; all zeros at its beginning. What came or
 * went since then may have been seen or not. All others are seen once unless
 * it is interrupted (NLM_F_DUMP_INTR): the table was resized or closed, which ends the walk, or
 * the request that it stopped at in the middle of a bucket went.
 */
struct lq_request_cursor {
	u32 bucket;
	u32 position;	    /* requests of the bucket that were seen */
	struct lq_key last; /* with a position: the last of them, */
	u32 last_us;	    /* and its stamp_us: the same peer may come again */
	u32 generation;	    /* the core's; 0: not begun */
	bool interrupted;
	bool done;
};

/*
 * [locked] The next requests, @room of them at most, into @out; their number,
 * which may be 0 before the walk is done: one call looks at LQ_WALK_BUCKETS buckets,
 * @room requests, and what of the bucket where it stopped it has seen.
 */
#define LQ_WALK_BUCKETS 512
u32 lq_core_requests(const struct lq_core *core, struct lq_request_cursor *cursor, u32 now,
		     u32 now_us, struct lq_request_info *out, u32 room);

/*
 * [locked] Check every invariant; returns NULL or the words of the first that does not hold. A
 * queue is looked through only if that takes no more than @steps. Tests call it after each event.
 * With LQ_DEBUG, which Kbuild defines for kernels that prove their locking, shim/timer.c calls it at
 * the end of a run and shim/shard.c around a close, with LQ_CHECK_STEPS: at most so many buckets
 * and entries of each queue under one hold of the lock, and none of a queue that has more.
 */
#define LQ_CHECK_STEPS 4096
const char *lq_core_check(const struct lq_core *core, u32 steps);

/*
 * [locked] With LQ_DEBUG the core calls this at once where something is wrong that lq_core_check()
 * would find too late: a reservation ends that nobody made. In the module it is shim/shard.c's.
 */
void lq_core_broken(const char *what);

/* --- shards; core/shards.hh --- */

#define LQ_MAX_SHARDS 64

/* How many of the shards that were asked for are worth it under @limits: 1..asked. */
u32 lq_core_shards(const struct lq_limits *limits, u32 asked);

/* *config and *limits, the whole listener's, become those of shard @index of @count. */
void lq_core_share(struct lq_config *config, struct lq_limits *limits, u32 count, u32 index);

/* The shard of a connection: 0..count - 1. */
u32 lq_core_shard(const struct lq_keys *keys, const struct lq_key *key, u32 count);

/*
 * The shard that accept() call number @turn looks at first, of those at home in shard @home;
 * the next ones after it, modulo @count.
 */
u32 lq_core_accept_first(u32 home, u32 turn, u32 count);

/* What several shards say, added up: @sum began as the first one's. */
void lq_core_info_add(struct listenq_info *sum, const struct listenq_info *more);

#ifdef __cplusplus
}
#endif
#endif
