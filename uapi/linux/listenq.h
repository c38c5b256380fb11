/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * listenq: the user-space API of AF_LISTENQ sockets.
 *
 * socket(AF_LISTENQ, SOCK_STREAM, LISTENQ_PROTO_IPV4 or LISTENQ_PROTO_IPV6)
 * returns a TCP socket whose listen side is listenq's. Addresses are plain
 * struct sockaddr_in and struct sockaddr_in6, in network byte order.
 *
 * A socket that connects, by connect() or sendto(MSG_FASTOPEN), is the kernel's own TCP from then on,
 * as accepted ones are: it knows none of the options below, and takes upper layers such as kTLS
 * (TCP_ULP answers ENOTCONN before). One whose connect() failed at once may listen by listenq
 * after all, if no other thread and no other descriptor has it; else its listen() is TCP's.
 *
 * Everything here is append-only: a number is never reused, an enum only
 * grows at its end, a struct only grows at its end.
 */
#ifndef _UAPI_LINUX_LISTENQ_H
#define _UAPI_LINUX_LISTENQ_H

#include <linux/types.h>

/*
 * The family number is borrowed from AF_ASH, which no kernel ever
 * implemented. The module parameter family= changes it.
 */
#ifndef AF_LISTENQ
#define AF_LISTENQ 18
#define PF_LISTENQ AF_LISTENQ
#endif

/* The third argument of socket(), as AF_SMC has it. */
#define LISTENQ_PROTO_IPV4 0 /* sockaddr_in */
#define LISTENQ_PROTO_IPV6 1 /* sockaddr_in6; dual-stack by IPV6_V6ONLY */

/*
 * Socket options, getsockopt(2) and setsockopt(2) at this level. Outside the
 * range of the kernel's own SOL_* numbers (include/linux/socket.h).
 */
#define SOL_LISTENQ 0x4c51 /* "LQ" */

/*
 * Options that are set take an int. They may be set before and after
 * listen(); -1 means "follow the network namespace's sysctl", which may follow
 * TCP's (net.listenq.following). Errors: EINVAL
 * for a value out of range or optlen < sizeof(int), EFAULT, ENOPROTOOPT for
 * an unknown option or on a connected socket; EPERM for LQ_SYN_BACKLOG above the sysctl
 * without CAP_NET_ADMIN in the user namespace that owns the network namespace.
 */
enum {
	LQ_INFO = 1,		  /* get only: struct listenq_info */
	LQ_POLICY = 2,		  /* char[LISTENQ_POLICY_NAMSIZ]: a policy's name */
	LQ_SYN_BACKLOG = 3,	  /* -1, 1..1048576: replaces max_syn_backlog; see below */
	LQ_ABORT_ON_OVERFLOW = 4, /* -1, 0, 1 */
	LQ_SYNACK_RETRIES = 5,	  /* -1, 0..255: replaces synack_retries */
	LQ_SYNCOOKIES = 6,	  /* -1, 0..2: replaces syncookies */
	LQ_ACCEPT_FILTER = 7,	  /* struct listenq_accept_filter_arg; see there */
	LQ_ACCEPT_FILTER_BPF = 8, /* set only: struct sock_fprog; see LISTENQ_BPF_* */
	LQ_SHARDS = 9,		  /* -1, 0..64: replaces shards; see below */
	LQ_RELEASE = 10,	  /* 1: give the socket back to TCP; 0: or not; see below */
	/* The accept queue under overload: see below. */
	LQ_ACCEPT_MAX_WAIT_MS = 11, /* -1, 0..3600000 ms; 0: off */
	LQ_ACCEPT_DEAD = 12,	    /* -1, enum listenq_dead */
	LQ_ACCEPT_ORDER = 13,	    /* -1, enum listenq_order */
	LQ_CODEL_TARGET_MS = 14,    /* -1, 0..60000 ms; 0: off */
	LQ_CODEL_INTERVAL_MS = 15,  /* -1, 1..60000 ms */
	LQ_SYN_ADMISSION_MS = 16,   /* -1, 0..3600000 ms; 0: off */
	LQ_GRACE_MS = 17,	    /* -1, 0..600000 ms; 0: off; see below */
	/* Groups that share: see below. */
	LQ_STEAL_US = 18,   /* -1, 0..60000000 us; 0: off */
	LQ_STALLED_MS = 19, /* -1, 0..3600000 ms; 0: off */
};

/*
 * setsockopt(fd, SOL_TCP, TCP_ULP, LISTENQ_ULP_NAME, ...) makes a listening socket, or one that may
 * listen, of AF_INET or AF_INET6 listenq's, whoever made it: from then on it is as if it came from
 * socket(AF_LISTENQ), and what TCP's own queues hold is accepted, too. The upper layer is the door
 * only, and goes a moment later, until when no sockmap takes the socket; of one that does not listen
 * yet, with listen(). Accepted connections have none, and take their own.
 *
 * Errors, and the socket is TCP's as it was: EEXIST, it is listenq's, or has an upper layer; EISCONN,
 * it is connected, or connects; EOPNOTSUPP, listenq cannot do what it was set to (TCP-MD5 and TCP-AO
 * keys, TCP_SAVE_SYN), or other code has replaced its operations; EAGAIN, it began or ceased to
 * listen meanwhile; ENOMEM; ENOENT, the module is not loaded.
 *
 * LQ_RELEASE, 1, is the way back, for sockets of socket(AF_LISTENQ), too. SYNs of new connections are
 * TCP's at once; what listenq's queues hold is served as ever. When they are empty, and the last SYN
 * cookie was sent 16 s ago, the socket is TCP's, and knows no option of this level any more
 * (ENOPROTOOPT). One that does not listen is TCP's at once. 0, meanwhile: it stays listenq's. Reads 1
 * while it is under way, or 0. EINVAL for another value.
 */
#define LISTENQ_ULP_NAME "listenq"

/*
 * LQ_SHARDS: into how many parts the queues are divided, each with a lock of its
 * own, so that CPUs do not wait for each other; 0: as many as CPUs are online.
 * A keyed hash chooses a connection's shard, and each limit is divided among
 * them: one may be full while others are not, and connections come to accept()
 * in their order within a shard only. accept() looks at the shard of its CPU
 * first, and then at the others. No shard gets fewer than 16 places of the accept
 * queue or of the SYN queue: a short backlog has fewer shards than were asked
 * for. The first listen() decides; EBUSY after that.
 */

#define LISTENQ_POLICY_NAMSIZ 16

/*
 * When accept() comes too late. Each of LQ_ACCEPT_MAX_WAIT_MS, LQ_ACCEPT_DEAD, LQ_ACCEPT_ORDER,
 * LQ_CODEL_TARGET_MS, LQ_CODEL_INTERVAL_MS and LQ_SYN_ADMISSION_MS has a sysctl of its name, in lower
 * case and without "LQ_", which it replaces; all but LQ_ACCEPT_DEAD do nothing unless they are set.
 *
 *	accept_max_wait_ms  who has waited for so long is reset, whether accept() is called or not
 *	accept_dead	    what becomes of connections that their peer has reset
 *	accept_order	    who is next
 *	codel_target_ms	    Controlled Delay (RFC 8289) as accept() takes connections: once the wait of
 *	codel_interval_ms   the oldest was not below the target for an interval, it is reset, and the
 *			    next one after a while, ever more often, until it is below
 *	syn_admission_ms    a SYN whose connection would wait for longer, by how many wait and how fast
 *			    accept() took them of late, is refused: dropped, or reset with
 *			    abort_on_overflow. Not before that is known, and not with an empty queue
 *
 * With several shards each of them is a queue of its own for all of this.
 */
/*
 * LQ_GRACE_MS, or net.listenq.grace_ms: as a listener ends and nobody else of its owner listens at its
 * address and port, what it has is kept for so long, for whoever of the same owner listens there next:
 * connections, and half-open requests. Meanwhile SYNs for the address go unanswered, and their
 * clients try again; so do those whose ACK comes. Kept are no more than fit into its queues, and in a
 * network namespace net.listenq.grace_total; what the next listener has no room for is reset, and at
 * the deadline all of it. Another owner who listens there ends it at once, and gets nothing. The
 * namespace lives until the deadline, and the port is not free for a bind() without SO_REUSEADDR.
 */

/*
 * Groups that share (SO_REUSEPORT): each member has a queue of its own, and a client waits for the one
 * that its SYN was given to, however idle the others are. LQ_STEAL_US and LQ_STALLED_MS, or the sysctls
 * net.listenq.steal_us and stalled_ms, mend that; each member has them for itself.
 *
 *	steal_us    who has waited for so long in the accept queue of a member is there for accept() of
 *		    any other that has steal_us, too, and whose own queue is empty: its poll() says so,
 *		    and whoever sleeps there is woken. It is the longest wait that is taken first. Once
 *		    taken, it is for the new member alone for as long again. A member with an accept filter takes
 *		    only what has passed the same one, and with a program (LQ_ACCEPT_FILTER_BPF) nothing
 *	stalled_ms  a member whose oldest connection has waited for so long gets no new SYNs: they are
 *		    given to another one that is not stalled, if there is one
 *
 * Where a BPF program chooses among the members (SO_ATTACH_REUSEPORT_EBPF, _CBPF), the sysctls say
 * nothing, for the choice is the program's; what is set for the socket holds. All members of a group are of
 * one user. A connection has the options of the socket that its SYN came to, as one that migrates
 * (tcp_migrate_req), and is charged to the memory cgroup of who accepts it. Members that are TCP's take no
 * part.
 */

enum listenq_dead {
	LISTENQ_DEAD_SKIP = 0,	   /* freed, and not handed out: the default */
	LISTENQ_DEAD_KEEP = 1,	   /* handed out, as TCP does */
	LISTENQ_DEAD_SKIP_FIN = 2, /* and those whose peer has closed, without a byte of data, are reset */
	__LISTENQ_DEAD_MAX
};

enum listenq_order {
	LISTENQ_ORDER_FIFO = 0,	    /* who has waited longest: the default */
	LISTENQ_ORDER_LIFO = 1,	    /* who came last */
	/* LIFO while the oldest has waited for codel_target_ms, 100 ms if that is 0; else FIFO */
	LISTENQ_ORDER_ADAPTIVE = 2,
	__LISTENQ_ORDER_MAX
};

/*
 * LQ_ACCEPT_FILTER: hold connections back from accept() until enough of their
 * data has come; FreeBSD's accept_filter(9), with its structure and its errors.
 *
 *	dataready  anything
 *	httpready  a whole GET or HEAD request of HTTP/1.0 or 1.1; at once if it
 *		   is not the beginning of one
 *	dnsready   a 2-byte length and as many bytes (RFC 1035 4.2.2)
 *	tlsready   a whole first TLS record; at once if it is no handshake
 *
 * Each also ends when the peer has no more to say, the receive buffer is full,
 * or the connection was held for net.listenq.filter_timeout_ms. As many may wait
 * as the policy's system allows; of more the oldest is reset. With optlen 0 the
 * filter is removed, and all that it held can be accepted. The accept queue's
 * limit holds for them, too: those that find it full come as accept() makes room.
 *
 * setsockopt(): EINVAL on a socket that does not listen, that has a filter
 * already, or for another optlen than 0 and this structure's size, or a name
 * that does not end; ENOENT for an unknown name; EINVAL for an argument, which
 * no filter takes. getsockopt(): EINVAL when no filter is set.
 */
struct listenq_accept_filter_arg {
	char name[16];
	char arg[240];
};

/*
 * LQ_ACCEPT_FILTER_BPF: a classic BPF program looks at the first
 * LISTENQ_BPF_LOOK bytes that the peer sent, each time that more have come. A
 * load of a byte that has not come ends it with 0: wait. It is removed by
 * LQ_ACCEPT_FILTER with optlen 0, which calls it "bpf". EINVAL as above, and
 * for a program that the kernel refuses.
 */
#define LISTENQ_BPF_WAIT 0   /* for more */
#define LISTENQ_BPF_ACCEPT 1 /* and for any other number */
#define LISTENQ_BPF_DROP 2   /* reset the connection */
#define LISTENQ_BPF_LOOK 4096
#define LISTENQ_HIST_BUCKETS 32

/*
 * LISTENQ_A_LISTENER_ACCEPT_WAIT_FINE, _HANDSHAKE: times in buckets that tell any percentile within
 * 10 %. Where bucket n begins, us: it ends where the next one does, the last at 2^32. That is each us
 * up to 16; from there on four buckets to an octave, at 16, 19, 23 and 27 sixteenths of its power of
 * two. 2ab / (a + b) of a bucket's first and last us is within 10 % of any that it holds.
 */
#define LISTENQ_WAIT_BUCKETS 128
#define LISTENQ_WAIT_FROM(n) \
	((n) < 16 ? (__u64)(n) : (__u64)(16 + 4 * ((n) & 3) - !!((n) & 3)) << ((n) / 4 - 4))

/* listenq_info.flags */
#define LISTENQ_F_BACKLOG_TRUNCATED 1 /* listen() asked for more than it got */
#define LISTENQ_F_ABORT_ON_OVERFLOW 2 /* abort_on_overflow is in force */
#define LISTENQ_F_DRAINING 4 /* it takes no new connections: LISTENQ_A_LISTENER_DRAIN */

/*
 * LISTENQ_A_LISTENER_OWN: what is the socket's own, and does not follow the sysctl.
 * LISTENQ_A_LISTENER_FOLLOWING: what follows TCP's sysctl, as nobody wrote net.listenq's.
 */
#define LISTENQ_OWN_POLICY 1
#define LISTENQ_OWN_MAX_SYN_BACKLOG 2
#define LISTENQ_OWN_ABORT_ON_OVERFLOW 4
#define LISTENQ_OWN_SYNACK_RETRIES 8 /* or TCP_SYNCNT */
#define LISTENQ_OWN_SYNCOOKIES 16
#define LISTENQ_OWN_SHARDS 32
#define LISTENQ_OWN_ACCEPT_MAX_WAIT_MS 64
#define LISTENQ_OWN_ACCEPT_DEAD 128
#define LISTENQ_OWN_ACCEPT_ORDER 256
#define LISTENQ_OWN_CODEL_TARGET_MS 512
#define LISTENQ_OWN_CODEL_INTERVAL_MS 1024
#define LISTENQ_OWN_SYN_ADMISSION_MS 2048
#define LISTENQ_OWN_GRACE_MS 4096
#define LISTENQ_OWN_STEAL_US 8192
#define LISTENQ_OWN_STALLED_MS 16384

/*
 * A listener's numbers, each a __u32 field of struct listenq_info and a u32 attribute
 * LISTENQ_A_LISTENER_*. The list makes both, what the kernel puts into its messages, and what lqctl
 * reads of them, shows and exports: X(NUMBER, NAME, name, PLACE, "metric", "What it is.").
 *
 * NUMBER is the attribute's. PLACE is where lqctl shows it: the tens are its group (backlog, settings,
 * accept queue, SYN queue, accept filter, shards), the ones its place there. The metric is
 * listenq_listener_<metric> for Prometheus, "" where there is none; one that ends with "_peak" is of
 * several sockets the highest, any other the sum.
 *
 * The order is that of the structure, which has other fields between the first and the later ones:
 * a new number goes to the end of the later ones.
 */
/* clang-format off */
#define LISTENQ_NUMBERS_FIRST(X) \
	X(12, BACKLOG,          backlog,          10, "backlog",             "Backlog in force, after the clamps.") \
	X(13, ACCEPT_QLEN,      accept_qlen,      30, "accept_queue_length", "Connections that wait for accept().") \
	X(14, ACCEPT_LIMIT,     accept_limit,     31, "accept_queue_limit",  "Connections that may wait for accept().") \
	X(15, SYN_QLEN,         syn_qlen,         40, "syn_queue_length",    "Half-open requests.") \
	X(16, SYN_YOUNG,        syn_young,        41, "syn_queue_young",     "Half-open requests that no timeout has come to yet.") \
	X(17, SYN_LIMIT,        syn_limit,        42, "syn_queue_limit",     "Half-open requests that there may be.") \
	X(18, SYN_BUCKETS,      syn_buckets,      44, "",                    "Buckets that the SYN queue's hash table has now.") \
	X(19, MAX_SYN_BACKLOG,  max_syn_backlog,  20, "",                    "In force: what limits the SYN queue, as the policy has it.") \
	X(20, SYNACK_RETRIES,   synack_retries,   21, "",                    "In force: SYN-ACKs beyond the first, 0 to 255.") \
	X(21, ACCEPT_QLEN_PEAK, accept_qlen_peak, 32, "accept_queue_peak",   "Most connections that waited for accept() at once.") \
	X(22, SYN_QLEN_PEAK,    syn_qlen_peak,    43, "syn_queue_peak",      "Most half-open requests at once.")
#define LISTENQ_NUMBERS_LATER(X) \
	X(28, FILTER_QLEN,      filter_qlen,      50, "filter_queue_length", "Connections that an accept filter holds back.") \
	X(29, FILTER_LIMIT,     filter_limit,     51, "filter_queue_limit",  "Connections that an accept filter may hold back; 0 without one.") \
	X(31, SYNCOOKIES,       syncookies,       22, "",                    "In force: 0 never, 1 when the SYN queue is full, 2 always.") \
	X(35, SHARDS,           shards,           60, "",                    "In force: parts that the queues are divided into; 0 before listen().") \
	X(36, ACCEPT_MAX_WAIT_MS, accept_max_wait_ms, 24, "",                "In force: milliseconds that a connection may wait for accept(); 0 for ever.") \
	X(37, ACCEPT_DEAD,      accept_dead,      25, "",                    "In force: enum listenq_dead.") \
	X(38, ACCEPT_ORDER,     accept_order,     26, "",                    "In force: enum listenq_order.") \
	X(39, CODEL_TARGET_MS,  codel_target_ms,  27, "",                    "In force: milliseconds that are a good wait for accept(); 0: no CoDel.") \
	X(40, CODEL_INTERVAL_MS, codel_interval_ms, 28, "",                  "In force: milliseconds for which waits may be longer.") \
	X(41, SYN_ADMISSION_MS, syn_admission_ms, 29, "",                    "In force: milliseconds that a new connection may expect to wait; 0: any.") \
	X(42, ACCEPT_GONE,      accept_gone,      33, "accept_queue_gone",   "Connections that wait for accept() and that their peer has reset; of each shard the oldest 128 are looked at.") \
	X(43, ACCEPT_INTERVAL,  accept_interval_us, 34, "",                  "Microseconds between two calls of accept() while connections wait, a moving average; 0: not known.") \
	X(45, GRACE_MS,         grace_ms,         23, "",                    "In force: milliseconds for which it is kept what the listener had as it ended; 0: not at all.") \
	X(47, OVERFLOWS,        overflows,        35, "",                    "Overflows that began: times, not drops.") \
	X(48, OVERFLOW_AGO,     overflow_ago_s,   36, "",                    "Seconds since the last overflow ended, 1 at least; 0: none has, or one goes on.") \
	X(49, OVERFLOW_SHORTEST, overflow_shortest_ms, 37, "",               "Milliseconds of the shortest overflow that ended; 0: none has.") \
	X(50, OVERFLOW_LONGEST, overflow_longest_ms, 38, "",                 "Milliseconds of the longest overflow that ended; 0: none has.") \
	X(62, STEAL_US,         steal_us,         61, "",                    "In force: microseconds after which other members of the group may accept() a connection; 0: never.") \
	X(63, STALLED_MS,       stalled_ms,       62, "",                    "In force: milliseconds of waiting after which new SYNs go to another member of the group; 0: never.")
#define LISTENQ_NUMBERS(X) LISTENQ_NUMBERS_FIRST(X) LISTENQ_NUMBERS_LATER(X)
/* clang-format on */

/*
 * What getsockopt(LQ_INFO) returns, in the manner of TCP_INFO: a shorter
 * buffer gets the front part, and optlen says how much was written. Before
 * listen() the queues are empty and the limits 0. All numbers are in host
 * byte order.
 */
struct listenq_info {
	__u64 id;		    /* in its network namespace, never reused; 0 before listen() */
	char policy[LISTENQ_POLICY_NAMSIZ];
	__u32 flags;		    /* LISTENQ_F_* */
	__s32 backlog_asked;	    /* the argument of the last listen() */
#define LISTENQ_X(number, NAME, name, place, metric, text) __u32 name;
	LISTENQ_NUMBERS_FIRST(LISTENQ_X) /* peaks since the first listen() */
	__u32 pad;
	__u64 accepted;		    /* connections handed to accept() */
	__u64 established;	    /* connections put on the accept queue */
	__u64 drops;		    /* of enum listenq_drop all but LISTENQ_DROPS_HARMLESS */
	char accept_filter[16];	    /* its name, or empty */
	LISTENQ_NUMBERS_LATER(LISTENQ_X)
#undef LISTENQ_X
};

/*
 * Why listenq did not go on with a segment, a request or a connection. The
 * list makes the counters, the tracepoint's names, the netlink attributes and
 * the words of lqctl: X(NUMBER, NAME, name, "what happened").
 */
/* clang-format off */
#define LISTENQ_DROPS(X) \
	X(1,  SYN_QUEUE_FULL,    syn_queue_full,    "SYN: the SYN queue is full") \
	X(2,  ACCEPT_QUEUE_FULL_SYN, accept_queue_full_syn, "SYN: the accept queue is full") \
	X(3,  SYN_LAST_QUARTER,  syn_last_quarter,  "SYN: the last quarter of max_syn_backlog is for proven peers") \
	X(4,  ACCEPT_QUEUE_FULL_ACK, accept_queue_full_ack, "ACK: the accept queue is full") \
	X(5,  ABORT_ON_OVERFLOW, abort_on_overflow, "ACK: the accept queue is full, answered with RST") \
	X(6,  REQUEST_EXPIRED,   request_expired,   "request: no ACK after the last SYN-ACK") \
	X(7,  REQUEST_RESET,     request_reset,     "request: the peer sent RST") \
	X(8,  REQUEST_SYN_IN_WINDOW, request_syn_in_window, "request: a SYN inside the window, answered with RST") \
	X(9,  ACK_BAD_SEQ,       ack_bad_seq,       "ACK: sequence outside the window") \
	X(10, ACK_PAWS,          ack_paws,          "ACK: timestamp too old") \
	X(11, ACK_DEFERRED,      ack_deferred,      "ACK: held back by TCP_DEFER_ACCEPT until data comes") \
	X(12, ACK_BUSY,          ack_busy,          "ACK: another CPU is building the child") \
	X(13, CHILD_FAILED,      child_failed,      "ACK: the child socket could not be made, most often for want of memory") \
	X(14, NO_MEMORY,         no_memory,         "SYN, or ACK of a cookie: no memory for a request") \
	X(15, NO_ROUTE,          no_route,          "SYN or ACK: no route back to the peer") \
	X(16, LSM,               lsm,               "SYN or ACK: refused by a security module") \
	X(17, SYN_RATE_LIMITED,  syn_rate_limited,  "SYN: a duplicate within tcp_invalid_ratelimit") \
	X(18, LISTENER_CLOSED,   listener_closed,   "request or connection: the listener closed") \
	X(19, REQUEST_EVICTED,   request_evicted,   "request: an old one made room for another") \
	X(20, FILTER_OVERFLOW,   filter_overflow,   "connection: the oldest that its accept filter held made room") \
	X(21, FILTER_GONE,       filter_gone,       "connection: reset while its accept filter held it") \
	X(22, FILTER_REFUSED,    filter_refused,    "connection: refused by the program that filters accepts") \
	X(23, SYN_SIGNED,        syn_signed,        "SYN: signed (TCP-MD5, TCP-AO), and the listener has no key") \
	X(24, SYN_BUCKET_FULL,   syn_bucket_full,   "SYN: its bucket of the SYN queue is full, the queue is not") \
	X(25, REQUEST_UNREACHABLE, request_unreachable, "request: ICMP says that its SYN-ACK does not get there") \
	X(26, ACCEPT_GONE,       accept_gone,       "connection: its peer reset it before accept()") \
	X(27, ACCEPT_FINISHED,   accept_finished,   "connection: its peer closed it before accept(), without data") \
	X(28, ACCEPT_EXPIRED,    accept_expired,    "connection: it waited for accept() for accept_max_wait_ms") \
	X(29, ACCEPT_CODEL,      accept_codel,      "connection: the oldest of too long a queue (CoDel)") \
	X(30, SYN_ADMISSION,     syn_admission,     "SYN: accept() would come later than syn_admission_ms") \
	X(31, REQUEST_UNSERVED,  request_unserved,  "request: its ACK came, and the accept queue never had room for it")
/* clang-format on */

enum listenq_drop {
	LISTENQ_DROP_NONE = 0,
#define LISTENQ_X(number, NAME, name, text) LISTENQ_DROP_##NAME = number,
	LISTENQ_DROPS(LISTENQ_X)
#undef LISTENQ_X
		__LISTENQ_DROP_MAX
};
#define LISTENQ_DROP_MAX (__LISTENQ_DROP_MAX - 1)

/*
 * Those that lose nobody anything, 1 << number: the peer gave up by itself, or its data brings what its
 * ACK did not. They are counted, and are not in the sums: listenq_info.drops, lqctl's Drops.
 */
#define LISTENQ_DROPS_HARMLESS \
	((1ULL << LISTENQ_DROP_REQUEST_RESET) | (1ULL << LISTENQ_DROP_ACK_DEFERRED))

/* What went well, beside the drops: X(NUMBER, NAME, name, "what happened"). */
/* clang-format off */
#define LISTENQ_EVENTS(X) \
	X(1, SYN_RECEIVED,    syn_received,    "SYNs that reached a listener") \
	X(2, REQUEST_CREATED, request_created, "requests put on a SYN queue") \
	X(3, SYNACK_SENT,     synack_sent,     "SYN-ACKs sent, retransmissions included") \
	X(4, SYNACK_RETRANS,  synack_retrans,  "SYN-ACKs sent again by the timer") \
	X(5, SYN_DUPLICATE,   syn_duplicate,   "SYNs that repeat a request's own") \
	X(6, ESTABLISHED,     established,     "connections put on an accept queue") \
	X(7, ACCEPTED,        accepted,        "connections handed to accept()") \
	X(8, COOKIE_SENT,     cookie_sent,     "SYNs answered with a SYN cookie") \
	X(9, COOKIE_RECEIVED, cookie_received, "connections that a good cookie brought back") \
	X(10, COOKIE_FAILED,  cookie_failed,   "ACKs without a request that brought no good cookie") \
	X(11, FILTER_HELD,    filter_held,     "connections held back by an accept filter") \
	X(12, FILTER_PASSED,  filter_passed,   "connections that their accept filter let go") \
	X(13, INHERITED,      inherited,       "requests and connections taken over from a listener that ended") \
	X(14, MIGRATED,       migrated,        "requests and connections handed over to another listener at the end") \
	X(15, PARKED,         parked,          "requests and connections kept for whoever listens next (grace_ms)") \
	X(16, STOLEN,         stolen,          "connections taken from another member of the group (steal_us)") \
	X(17, LENT,           lent,            "connections that another member of the group took (steal_us)") \
	X(18, SYN_REDIRECTED, syn_redirected,  "SYNs that went to another member of the group (stalled_ms)")
/* clang-format on */

enum listenq_event {
	LISTENQ_EVENT_NONE = 0,
#define LISTENQ_X(number, NAME, name, text) LISTENQ_EVENT_##NAME = number,
	LISTENQ_EVENTS(LISTENQ_X)
#undef LISTENQ_X
		__LISTENQ_EVENT_MAX
};
#define LISTENQ_EVENT_MAX (__LISTENQ_EVENT_MAX - 1)

/*
 * What a reader of the multicast group "events" is told, as it happens:
 * X(NUMBER, NAME, name, "what happened").
 *
 * An overflow begins with the first drop because a queue was full, a time of
 * SYN cookies with the first cookie; each ends when a second or more has gone
 * by without another, and an overflow when its queue was not full for that long.
 * So at most one of each begins and one ends per listener and second. What a listener began ends, at the latest, before it stops.
 */
/* clang-format off */
#define LISTENQ_EVENT_TYPES(X) \
	X(1, LISTENER_STARTED,  listener_started,  "a socket began to listen") \
	X(2, LISTENER_STOPPED,  listener_stopped,  "a listener closed, with what its queues held") \
	X(3, BACKLOG_TRUNCATED, backlog_truncated, "listen() asked for more than it got") \
	X(4, OVERFLOW_BEGAN,    overflow_began,    "the first drop because a queue was full") \
	X(5, OVERFLOW_ENDED,    overflow_ended,    "no such drop, and room in its queue, for a second") \
	X(6, COOKIES_BEGAN,     cookies_began,     "the first SYN cookie was sent") \
	X(7, COOKIES_ENDED,     cookies_ended,     "no more SYN cookies for a second")
/* clang-format on */

enum listenq_event_type {
	LISTENQ_EVENT_TYPE_NONE = 0,
#define LISTENQ_X(number, NAME, name, text) LISTENQ_EVENT_TYPE_##NAME = number,
	LISTENQ_EVENT_TYPES(LISTENQ_X)
#undef LISTENQ_X
		__LISTENQ_EVENT_TYPE_MAX
};
#define LISTENQ_EVENT_TYPE_MAX (__LISTENQ_EVENT_TYPE_MAX - 1)

/*
 * A half-open request, LISTENQ_CMD_REQUEST_GET: X(NUMBER, NAME, name, "what it
 * waits for").
 */
/* clang-format off */
#define LISTENQ_REQUEST_STATES(X) \
	X(1, SYN_RECV,  syn_recv,  "the SYN-ACK was sent, the ACK has not come") \
	X(2, ACKED,     acked,     "the ACK came: for room in the accept queue, or for data (TCP_DEFER_ACCEPT)") \
	X(3, PROMOTING, promoting, "the ACK came, and the child is being built")
/* clang-format on */

enum listenq_request_state {
	LISTENQ_REQUEST_STATE_UNSPEC = 0,
#define LISTENQ_X(number, NAME, name, text) LISTENQ_REQUEST_STATE_##NAME = number,
	LISTENQ_REQUEST_STATES(LISTENQ_X)
#undef LISTENQ_X
		__LISTENQ_REQUEST_STATE_MAX
};
#define LISTENQ_REQUEST_STATE_MAX (__LISTENQ_REQUEST_STATE_MAX - 1)

/* LISTENQ_A_REQUEST_FLAGS: what was agreed */
#define LISTENQ_REQUEST_F_TSTAMP 1 /* timestamps */
#define LISTENQ_REQUEST_F_WSCALE 2 /* window scaling */
#define LISTENQ_REQUEST_F_SACK 4
#define LISTENQ_REQUEST_F_ECN 8

/* --- generic netlink; uapi/listenq.yaml describes it in the kernel's format --- */

#define LISTENQ_GENL_NAME "listenq"
#define LISTENQ_GENL_VERSION 1
#define LISTENQ_GENL_MCGRP_EVENTS "events"

/*
 * LISTENQ_CMD_LISTENER_GET, do: request LISTENQ_A_LISTENER_ID, reply one
 * message of LISTENQ_A_LISTENER_* attributes. ENOENT: no such listener in this
 * network namespace. Dump: no attribute, one message per listener. A reader has room for 8192 bytes:
 * a page is enough but for what former listeners had counted, LISTENQ_A_LISTENER_FORMER_*.
 *
 * LISTENQ_CMD_STATS_GET, do: no attribute, reply one message of
 * LISTENQ_A_STATS_* attributes: the counters of the whole network namespace.
 *
 * LISTENQ_CMD_LISTENER_SET, do: request LISTENQ_A_LISTENER_ID and any of
 * LISTENQ_A_LISTENER_POLICY, _MAX_SYN_BACKLOG, _ABORT_ON_OVERFLOW,
 * _SYNACK_RETRIES, _SYNCOOKIES, _ACCEPT_FILTER, _ACCEPT_MAX_WAIT_MS, _ACCEPT_DEAD,
 * _ACCEPT_ORDER, _CODEL_TARGET_MS, _CODEL_INTERVAL_MS, _SYN_ADMISSION_MS, _GRACE_MS, _STEAL_US,
 * _STALLED_MS: as the socket options of these names, on a live listener. LISTENQ_FOLLOW and an empty policy follow the
 * sysctl again; a filter replaces another, and an empty one removes it.
 * _BACKLOG, 0..0x7fffffff: as if the program had given it to listen(), clamped
 * by net.core.somaxconn and what the policy says; its next listen() sets its
 * own again. _DRAIN, 1: new SYNs go to another listener that TCP would have found, or unanswered, until it
 * is 0, or the socket listens anew; what is queued is served. All are set, or none. ENOENT: no such listener, policy or filter;
 * ERANGE; ENOMEM; EPERM without CAP_NET_ADMIN in the user namespace that owns the network
 * namespace.
 *
 * LISTENQ_CMD_EVENT, to the multicast group LISTENQ_GENL_MCGRP_EVENTS: one
 * message of LISTENQ_A_EVENT_* attributes per event. A reader that is too slow,
 * or for whom there was no memory, gets ENOBUFS from its socket and goes on.
 * Of what listen() alone can make, listeners that start and backlogs that are
 * truncated, no more than 100 a second are told in a network namespace, lest
 * one user's listen() takes the room of what others are to be told;
 * LISTENQ_A_EVENT_UNTOLD says how many were not. Of a listener whose start was
 * not told the stop is not told either.
 *
 * LISTENQ_CMD_REQUEST_GET, dump: request LISTENQ_A_REQUEST_LISTENER, one
 * message of LISTENQ_A_REQUEST_* attributes per half-open request of that
 * listener. ENOENT: no such listener. A request that comes or goes meanwhile is
 * there or not; NLM_F_DUMP_INTR says that others may be missing or there twice,
 * because the SYN queue was resized or closed, or the dump lost its place.
 *
 * LISTENQ_CMD_DROPPED_GET, do: request LISTENQ_A_DROPPED_LISTENER, reply one message of
 * LISTENQ_A_DROPPED_* attributes: where those come from that the listener dropped of late, by prefixes, /24 of
 * IPv4 and /64 of IPv6, 16 of them at most, the most frequent first. Counts are about right: a
 * prefix has had _COUNT, or fewer by _EXCESS at most. All are halved every 8 seconds, so they say
 * who it is now, and not how many there were: that is what LISTENQ_A_LISTENER_DROPS is for. Not among
 * them are LISTENQ_DROPS_HARMLESS, listener_closed, no_memory, no_route and lsm. ENOENT: no such listener.
 *
 * Reading needs no privilege; all is of the caller's network namespace.
 */
#define LISTENQ_FOLLOW 0xffffffffU

enum {
	LISTENQ_CMD_UNSPEC = 0,
	LISTENQ_CMD_LISTENER_GET = 1,
	LISTENQ_CMD_STATS_GET = 2,
	LISTENQ_CMD_LISTENER_SET = 3,
	LISTENQ_CMD_EVENT = 4,
	LISTENQ_CMD_REQUEST_GET = 5,
	LISTENQ_CMD_DROPPED_GET = 6,
	__LISTENQ_CMD_MAX
};
#define LISTENQ_CMD_MAX (__LISTENQ_CMD_MAX - 1)

enum {
	LISTENQ_A_LISTENER_UNSPEC = 0,
	LISTENQ_A_LISTENER_ID = 1,		/* u64: in its namespace, never reused */
	LISTENQ_A_LISTENER_PAD = 2,		/* alignment of u64 */
	LISTENQ_A_LISTENER_FAMILY = 3,		/* u16: AF_INET or AF_INET6 */
	LISTENQ_A_LISTENER_ADDR = 4,		/* binary: 4 or 16 bytes, network order */
	LISTENQ_A_LISTENER_PORT = 5,		/* u16, host byte order */
	LISTENQ_A_LISTENER_IFINDEX = 6,		/* u32: SO_BINDTODEVICE; 0 none */
	LISTENQ_A_LISTENER_INODE = 7,		/* u64: of the socket, as ss -e */
	LISTENQ_A_LISTENER_UID = 8,		/* u32: owner, in the reader's user ns */
	LISTENQ_A_LISTENER_POLICY = 9,		/* string */
	LISTENQ_A_LISTENER_FLAGS = 10,		/* u32: LISTENQ_F_* */
	LISTENQ_A_LISTENER_BACKLOG_ASKED = 11,	/* s32 */
	LISTENQ_A_LISTENER_DROPS = 23,		/* nest: LISTENQ_DROP_x = u64 */
	LISTENQ_A_LISTENER_EVENTS = 24,		/* nest: LISTENQ_EVENT_x = u64 */
	/*
	 * binary: LISTENQ_HIST_BUCKETS u64. Bucket 0 counts the connections
	 * that waited less than 1 us for accept(), bucket n > 0 those that
	 * waited from 2^(n-1) to 2^n - 1 us; the last has no upper end.
	 */
	LISTENQ_A_LISTENER_ACCEPT_WAIT = 25,
	LISTENQ_A_LISTENER_V6ONLY = 26,		/* u8: IPV6_V6ONLY, 0 or 1 */
	LISTENQ_A_LISTENER_ACCEPT_FILTER = 27,	/* string: its name; absent: none */
	LISTENQ_A_LISTENER_ABORT_ON_OVERFLOW = 30, /* u32: in force */
	LISTENQ_A_LISTENER_OWN = 32,		/* u32: LISTENQ_OWN_* */
	LISTENQ_A_LISTENER_BACKLOG_GIVEN = 33,	/* s32: asked, after the clamp to somaxconn */
	/* u32: us that the oldest connection waits for accept(), modulo 2^32; absent: none */
	LISTENQ_A_LISTENER_ACCEPT_OLDEST = 34,
	LISTENQ_A_LISTENER_FOLLOWING = 44, /* u32: LISTENQ_OWN_* that follow net.ipv4.* */
	LISTENQ_A_LISTENER_DRAIN = 46, /* u32, set only: 0 or 1 */
	/* u32 each */
#define LISTENQ_X(number, NAME, name, place, metric, text) LISTENQ_A_LISTENER_##NAME = number,
	LISTENQ_NUMBERS(LISTENQ_X)
#undef LISTENQ_X
	/*
	 * What listeners at the same address, port and interface that ended had counted, if there
	 * were any: whoever adds up an address adds these as well, modulo 2^64, and the sum does not
	 * fall as one of a group ends. As _DROPS, _EVENTS, _ACCEPT_WAIT and _ACCEPT_WAIT_US, and
	 * below as the three of those names.
	 */
	LISTENQ_A_LISTENER_FORMER_DROPS = 51,
	LISTENQ_A_LISTENER_FORMER_EVENTS = 52,
	LISTENQ_A_LISTENER_FORMER_WAIT = 53,
	LISTENQ_A_LISTENER_ACCEPT_WAIT_US = 54, /* u64: us, the sum of the waits in _ACCEPT_WAIT */
	LISTENQ_A_LISTENER_FORMER_WAIT_US = 55,
	/*
	 * binary: u64, up to LISTENQ_WAIT_BUCKETS, those at 0 at the end are left out: _ACCEPT_WAIT
	 * in finer buckets, see LISTENQ_WAIT_FROM(). Absent: all are 0, unless there is no
	 * _HANDSHAKE_US either, of an older module.
	 */
	LISTENQ_A_LISTENER_ACCEPT_WAIT_FINE = 56,
	/*
	 * The same, of the time that connections were half-open, from the first SYN-ACK to the ACK
	 * that made them connections: their life in the SYN queue. Not those by SYN cookie, which
	 * were not in it, and not requests that ended otherwise.
	 */
	LISTENQ_A_LISTENER_HANDSHAKE = 57,
	LISTENQ_A_LISTENER_HANDSHAKE_US = 58, /* u64: us, the sum of these times */
	LISTENQ_A_LISTENER_FORMER_WAIT_FINE = 59,
	LISTENQ_A_LISTENER_FORMER_HANDSHAKE = 60,
	LISTENQ_A_LISTENER_FORMER_HANDSHAKE_US = 61,
	__LISTENQ_A_LISTENER_MAX = 64 /* the highest are in LISTENQ_NUMBERS */
};
#define LISTENQ_A_LISTENER_MAX (__LISTENQ_A_LISTENER_MAX - 1)

enum {
	LISTENQ_A_STATS_UNSPEC = 0,
	LISTENQ_A_STATS_PAD = 1,
	LISTENQ_A_STATS_LISTENERS = 2, /* u32: live ones */
	LISTENQ_A_STATS_DROPS = 3,     /* nest: LISTENQ_DROP_x = u64 */
	LISTENQ_A_STATS_EVENTS = 4,    /* nest: LISTENQ_EVENT_x = u64 */
	__LISTENQ_A_STATS_MAX
};
#define LISTENQ_A_STATS_MAX (__LISTENQ_A_STATS_MAX - 1)

enum {
	LISTENQ_A_EVENT_UNSPEC = 0,
	LISTENQ_A_EVENT_PAD = 1,	    /* alignment of u64 */
	LISTENQ_A_EVENT_TIME = 2,	    /* u64: ns of CLOCK_REALTIME */
	LISTENQ_A_EVENT_TYPE = 3,	    /* u32: enum listenq_event_type */
	LISTENQ_A_EVENT_LISTENER = 4,	    /* u64: its id */
	LISTENQ_A_EVENT_FAMILY = 5,	    /* u16: AF_INET or AF_INET6 */
	LISTENQ_A_EVENT_ADDR = 6,	    /* binary: 4 or 16 bytes, network order */
	LISTENQ_A_EVENT_PORT = 7,	    /* u16, host byte order */
	LISTENQ_A_EVENT_IFINDEX = 8,	    /* u32: SO_BINDTODEVICE; 0 none */
	LISTENQ_A_EVENT_V6ONLY = 9,	    /* u8: IPV6_V6ONLY, 0 or 1 */
	LISTENQ_A_EVENT_POLICY = 10,	    /* string */
	LISTENQ_A_EVENT_BACKLOG_ASKED = 11, /* s32 */
	LISTENQ_A_EVENT_BACKLOG = 12,	    /* u32: in force */
	LISTENQ_A_EVENT_ACCEPT_QLEN = 13,   /* u32, as the next three: when it was told; */
	LISTENQ_A_EVENT_ACCEPT_LIMIT = 14,  /* of a listener that stopped: before that */
	LISTENQ_A_EVENT_SYN_QLEN = 15,
	LISTENQ_A_EVENT_SYN_LIMIT = 16,
	LISTENQ_A_EVENT_REASON = 17, /* u32: enum listenq_drop, of the overflow's first drop */
	LISTENQ_A_EVENT_COUNT = 18,  /* u64: drops, or cookies, in all that ended */
	LISTENQ_A_EVENT_UNTOLD = 19, /* u32: see above; with the next event after them */
	__LISTENQ_A_EVENT_MAX
};
#define LISTENQ_A_EVENT_MAX (__LISTENQ_A_EVENT_MAX - 1)

enum {
	LISTENQ_A_REQUEST_UNSPEC = 0,
	LISTENQ_A_REQUEST_PAD = 1,	  /* alignment of u64 */
	LISTENQ_A_REQUEST_LISTENER = 2,	  /* u64: its id */
	LISTENQ_A_REQUEST_FAMILY = 3,	  /* u16: of the SYN, AF_INET or AF_INET6 */
	LISTENQ_A_REQUEST_PEER = 4,	  /* binary: 4 or 16 bytes, network order */
	LISTENQ_A_REQUEST_PEER_PORT = 5,  /* u16, host byte order */
	LISTENQ_A_REQUEST_LOCAL = 6,	  /* binary: 4 or 16 bytes, network order */
	LISTENQ_A_REQUEST_LOCAL_PORT = 7, /* u16, host byte order */
	LISTENQ_A_REQUEST_IFINDEX = 8,	  /* u32: the interface it is bound to; 0 none */
	LISTENQ_A_REQUEST_STATE = 9,	  /* u32: enum listenq_request_state */
	LISTENQ_A_REQUEST_AGE = 10,	  /* u32: ms since the first SYN-ACK, modulo 2^32 us */
	LISTENQ_A_REQUEST_DUE = 11,	  /* u32: ms until the timer looks at it; 0 now */
	LISTENQ_A_REQUEST_RETRANS = 12,	  /* u32: SYN-ACKs sent beyond the first */
	LISTENQ_A_REQUEST_TIMEOUTS = 13,  /* u32: times that the timer found it due; 0 young */
	LISTENQ_A_REQUEST_FLAGS = 14,	  /* u32: LISTENQ_REQUEST_F_* */
	LISTENQ_A_REQUEST_MSS = 15,	  /* u32: bytes; what the peer takes */
	LISTENQ_A_REQUEST_SND_WSCALE = 16, /* u32: the peer's shift */
	LISTENQ_A_REQUEST_RCV_WSCALE = 17, /* u32: ours */
	__LISTENQ_A_REQUEST_MAX
};
#define LISTENQ_A_REQUEST_MAX (__LISTENQ_A_REQUEST_MAX - 1)

enum {
	LISTENQ_A_DROPPED_UNSPEC = 0,
	LISTENQ_A_DROPPED_PAD = 1,	/* alignment of u64 */
	LISTENQ_A_DROPPED_LISTENER = 2, /* u64: its id */
	LISTENQ_A_DROPPED_TOTAL = 3,	/* u32: of all peers, halved as the others are */
	LISTENQ_A_DROPPED_PREFIX = 4,	/* nest of LISTENQ_A_PREFIX_*, one for each */
	__LISTENQ_A_DROPPED_MAX
};
#define LISTENQ_A_DROPPED_MAX (__LISTENQ_A_DROPPED_MAX - 1)

enum {
	LISTENQ_A_PREFIX_UNSPEC = 0,
	LISTENQ_A_PREFIX_ADDR = 1,   /* binary: 4 or 16 bytes, network order */
	LISTENQ_A_PREFIX_LENGTH = 2, /* u32: bits */
	LISTENQ_A_PREFIX_COUNT = 3,  /* u32: it has had so many, or fewer */
	LISTENQ_A_PREFIX_EXCESS = 4, /* u32: by so many at most */
	__LISTENQ_A_PREFIX_MAX
};
#define LISTENQ_A_PREFIX_MAX (__LISTENQ_A_PREFIX_MAX - 1)

#endif /* _UAPI_LINUX_LISTENQ_H */
