/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The promotion protocol of module/bridge/core.h, for Spin: how a request goes from a SYN to
 * accept(), with everything that may happen on other CPUs meanwhile. SCENE says how many of what
 * run beside the owner, who closes the listener once or twice, and accept(): see the end.
 *
 *	SYN     reserve | build | commit or abort      ACK     reserve | build | commit or abort
 *	timer   take what is due | send, or free       RST     take | free
 *	close   take some | free | take the rest ...   accept  wait | pop | done
	listen  wait | open | the kernel's part
 *
 * A bar is where the lock is let go, an atomic block is a critical section. What is freed in the
 * module is freed here outside of them. Each CPU that runs a part is a process.
 *
 * Claims: a request is freed once, read and written only while it is there, and by its owner;
 * qlen, the reservations and the slots are what the queues and the CPUs hold; the limit of the
 * accept queue is exact, and the kernel's own count never refuses what we let in; nothing is
 * queued at a closed listener, nor at a later life of one that closed meanwhile; the kernel's count
 * is right when it ends a listener; no peer has two requests; every child that was built is accepted or reset; accept() does not sleep while a
 * connection waits; at the end everything is given back.
 *
 * -DBUG_x makes mistake x, and Spin must find it: ./run.sh
 * A listener that closes ends its own requests here: how they move to another is in migration.pml.
 */

#ifndef LIMIT /* connections on the accept queue */
#if SCENE == 1
#define LIMIT 2
#else
#define LIMIT 1
#endif
#endif
#ifndef SYN_LIMIT
#if SCENE == 4
#define SYN_LIMIT 1 /* the SYN queue, reservations included */
#else
#define SYN_LIMIT 2
#endif
#endif
#ifndef OBJECTS
#define OBJECTS 2 /* requests that there is memory for; two, says close_listener() */
#endif
#define PEERS 2
#define NONE 255

/* Where a request is. SHIM: with the process that will commit or free it. */
#define FREE 0
#define SHIM 1
#define HALF 2
#define ORPHAN 3
#define ENTRY 4

typedef Request {
	byte where;
	byte peer;
	bool promoting;
};
Request request[OBJECTS];

bool listening = true; /* the sock: segments find it */
byte readers = 0;      /* segments that did, and are on their way */
bool open = true;      /* the core */
bool closing = false;  /* and its SYN queue is not empty yet */
byte life = 0;	       /* how often it was closed */
byte qlen = 0;	       /* SYN queue */
byte reserved = 0;     /* SYN queue */
byte held = 0;	       /* slots of promotions under way */
byte entries = 0;      /* accept queue */
byte leaving = 0;      /* popped, accept() not done */
byte kernel_count = 0; /* sk_ack_backlog */
bool carried = false;  /* popped, and in the kernel's queue */
chan accept_queue = [OBJECTS] of { byte };

byte in_use = 0;	       /* requests */
byte children = 0;     /* built, and neither accepted nor reset yet */
byte promotions = 0;			 /* ACKs between reserve and commit, of requests */
bool prepared = false;			 /* accept() is on the wait queue; a wake-up clears it */
bool sleeping = false;			 /* and went to sleep, if it still is */
byte running = 0;			 /* processes that may still send something */
bool stopped = false;			 /* for good: no more listen() */

hidden byte i_, half_, promoting_, entry_, of_[PEERS];

inline check()
{
	d_step {
		half_ = 0;
		promoting_ = 0;
		entry_ = 0;
		of_[0] = 0;
		of_[1] = 0;
		for (i_ : 0 .. OBJECTS - 1) {
			if
			:: request[i_].where == HALF ->
				half_++;
				of_[request[i_].peer]++;
				promoting_ = promoting_ + request[i_].promoting
			:: request[i_].where == ORPHAN -> promoting_++
			:: request[i_].where == ENTRY -> entry_++
			:: else
			fi
		}
		assert(half_ == qlen);
		assert(of_[0] <= 1 && of_[1] <= 1);
		assert(qlen + reserved <= SYN_LIMIT);
		assert(entry_ == entries && len(accept_queue) == entries);
		assert(held + entries + leaving <= LIMIT);
		assert(promoting_ == promotions);
		assert(open || (entries == 0 && (closing || qlen == 0)))
	}
}

inline alloc(r)
{
	d_step {
		r = 0;
		do
		:: r < OBJECTS && request[r].where != FREE -> r++
		:: else -> break
		od;
		if
		:: r == OBJECTS -> r = NONE
		:: else ->
			request[r].where = SHIM;
			in_use++
		fi
	}
}

/* Of a request that is in no queue. */
inline free(r)
{
	d_step {
		assert(request[r].where == SHIM);
		request[r].where = FREE;
		request[r].promoting = false;
		request[r].peer = 0;
		in_use--
	}
}

/* The SYN queue's request of a peer, or NONE. */
inline find(r, who)
{
	r = 0;
	do
	:: r < OBJECTS && !(request[r].where == HALF && request[r].peer == who) -> r++
	:: else -> break
	od;
	if
	:: r == OBJECTS -> r = NONE
	:: else
	fi
}

/* Take a request off the SYN queue: its memory is the caller's. */
inline take(r)
{
	qlen--;
	request[r].where = SHIM
}

#ifndef BUG_EVICT
#define EVICTABLE(r) (r.where == HALF && !r.promoting)
#else
#define EVICTABLE(r) (r.where == HALF)
#endif

/* A segment comes: RCU's read section begins, until leave(); or goes to gone: */
inline find_listener()
{
	atomic {
		if
		:: listening -> readers++
		:: else -> running--; goto gone
		fi
	}
}

inline leave()
{
	d_step { readers--; running-- }
}

proctype Syn(byte me)
{
	byte r = NONE, evicted = NONE;
	bool go = false;

	find_listener();
	atomic { /* lq_core_syn() */
		find(r, me);
		if
		:: !open || r != NONE /* closed, or a duplicate */
		:: else ->
			if
			:: qlen + reserved >= SYN_LIMIT ->
				/* Full: a policy drops it, or the oldest makes room. */
				evicted = 0;
				do
				:: evicted < OBJECTS && !EVICTABLE(request[evicted]) -> evicted++
				:: else -> break
				od;
				if
				:: evicted == OBJECTS -> evicted = NONE
				:: else -> take(evicted)
				fi
			:: else
			fi;
			if
			:: qlen + reserved < SYN_LIMIT -> reserved++; go = true
			:: else
			fi
		fi;
		r = NONE;
		check()
	}
	if
	:: evicted != NONE -> free(evicted)
	:: else
	fi;
	if
	:: !go -> goto end
	:: else
	fi;

	alloc(r);
	if
	:: r == NONE -> go = false
	:: r != NONE -> request[r].peer = me
	:: r != NONE -> go = false /* no route, or a security module */
	fi;

	atomic {
		if
		:: !go -> reserved-- /* lq_core_syn_abort() */
		:: else -> /* lq_core_syn_commit() */
			byte other;

			other = NONE;
#ifndef BUG_RESERVATION
			reserved--;
#endif
#ifndef BUG_DUPLICATE
			find(other, me);
#endif
			if
#ifndef BUG_COMMIT_CLOSED
			:: !open -> go = false
#endif
			:: other != NONE -> go = false
			:: else ->
#ifdef BUG_RESERVATION
				reserved--;
#endif
				request[r].where = HALF;
				qlen++
			fi;
			other = 0
		fi;
		check()
	}
	if
	:: !go && r != NONE -> free(r)
	:: else
	fi;
end:
	leave();
gone:	skip
}

/* Another CPU builds the child of this peer's request. */
#define BUILDS(r, who) (r.where == HALF && r.peer == who && r.promoting)
#ifndef BUG_SECOND_ACK
#define BUSY(who) (BUILDS(request[0], who) || BUILDS(request[1], who))
#else
#define BUSY(who) (false)
#endif

proctype Ack(byte me)
{
	byte r = NONE, born;
	bool ok = false, closed = false;

	find_listener();
	/* lq_ack_wait(): until it is done; or it takes too long, and the segment is dropped. */
	if
	:: atomic { BUSY(me) -> goto end }
	:: atomic { /* lq_core_ack() */
			!BUSY(me);
			find(r, me);
			if
			:: !open || r == NONE -> r = NONE /* unknown: passed on */
			:: else ->
				if
				:: held + entries + leaving >= LIMIT -> r = NONE /* stays; tries again */
				:: else ->
					request[r].promoting = true;
					promotions++;
					held++
				fi
			fi;
			born = life;
			check();
			if
			:: r == NONE -> goto end
			:: else
			fi
		}
	fi;

	/* syn_recv_sock() reads the request, and looks at the kernel's own count. */
	atomic {
		assert(request[r].where == HALF || request[r].where == ORPHAN);
		assert(request[r].peer == me);
		assert(kernel_count < LIMIT);
		if
		:: ok = true; children++
		:: ok = false /* no memory */
		fi
	}

	atomic {
		assert(request[r].where == HALF || request[r].where == ORPHAN);
		promotions--;
		if
		:: ok -> /* lq_core_promote_commit() */
			held--;
			if
#if defined(BUG_ENQUEUE_CLOSED)
			:: false
#else
			:: !open || request[r].where == ORPHAN ->
				closed = true;
#ifndef BUG_UNREACHED
				/* Close has not come to it yet: it is on the SYN queue. */
				qlen = qlen - (request[r].where == HALF);
#endif
				request[r].where = SHIM
#endif
			:: else ->
				assert(open && born == life);
				qlen--;
				request[r].where = ENTRY;
				request[r].promoting = false;
				accept_queue!r;
				entries++;
				kernel_count++
			fi
		:: else -> /* lq_core_promote_abort() */
#ifndef BUG_SLOT
			held--;
#endif
			if
#ifndef BUG_ORPHAN
			:: request[r].where == ORPHAN ->
				closed = true;
				request[r].where = SHIM
#endif
			:: else ->
#ifndef BUG_MARK
				request[r].promoting = false
#else
				skip
#endif
			fi
		fi;
		check()
	}
	if
	:: closed ->
		free(r);
#ifndef BUG_LOST_CHILD
		if
		:: ok -> children--
		:: else
		fi
#endif
	:: !closed && ok ->
		prepared = false /* sk_data_ready() */
	:: else
	fi;
end:
	leave();
gone:	skip
}

proctype Rst(byte me)
{
	byte r = NONE;

	find_listener();
	atomic { /* lq_core_ack() with RST */
		find(r, me);
		if
		:: r == NONE
#ifndef BUG_RST
		:: r != NONE && request[r].promoting -> r = NONE
#endif
		:: else -> take(r)
		fi;
		check()
	}
	if
	:: r != NONE -> free(r)
	:: else
	fi;
	leave();
gone:	skip
}

#ifndef BUG_EXPIRE
#define DUE(r) (r.where == HALF && !r.promoting)
#else
#define DUE(r) (r.where == HALF)
#endif

/* Two runs of the clock hand: each request is due or not, and is sent again or expires. */
proctype Timer()
{
	byte i, turn, list = NONE;
#ifdef BUG_NO_COPY
	byte copy = NONE;
#endif

	for (turn : 1 .. 2) {
		atomic { /* lq_core_tick() */
			i = 0;
			do
			:: i < OBJECTS && list == NONE && DUE(request[i]) ->
				if
				:: take(i); list = i
#ifdef BUG_NO_COPY
				:: copy = i
#endif
				:: skip /* not due, or a copy is sent again */
				fi;
				i++
			:: i < OBJECTS && !(list == NONE && DUE(request[i])) -> i++
			:: i == OBJECTS -> break
			od;
			i = 0;
			check()
		}
#ifdef BUG_NO_COPY
		/* The SYN-ACK is made from the request itself, which is the core's by now. */
		if
		:: copy != NONE -> assert(request[copy].where == HALF)
		:: else
		fi;
		copy = NONE;
#endif
		if
		:: list != NONE -> free(list); list = NONE
		:: else
		fi
	}
	running--
}

/* accept() until the listener is stopped. */
proctype Accept()
{
	byte r;

	do
	:: atomic { /* lq_accept_move(): popped and with the kernel in one critical section */
		if
		:: open && listening && accept_queue?[r] ->
			accept_queue?r;
			entries--;
			carried = true;
#ifndef BUG_DONE
			leaving++;
#endif
			assert(request[r].where == ENTRY);
			request[r].where = SHIM;
			check()
		:: else -> r = NONE
		fi
	   }
	   if
	   :: r != NONE ->
		free(r);
		atomic { /* inet_csk_accept(), unless the listener was stopped meanwhile */
			if
			:: carried -> carried = false; kernel_count--; children--
			:: else
			fi
		}
#ifndef BUG_DONE
		atomic { leaving--; check() } /* lq_core_accept_done() */
#endif
	   :: else ->
#ifdef BUG_WAKEUP
		/* Looks before it tells that it waits. */
		if
		:: entries == 0 && open -> prepared = true; sleeping = true
		:: else
		fi;
#else
		prepared = true;
		if
		:: entries == 0 && open -> sleeping = true
		:: else
		fi;
#endif
		if
		:: stopped -> break
		:: !(sleeping && prepared) && !stopped -> sleeping = false; prepared = false
		fi
	   fi
	od
}

inline close_listener()
{
	atomic { /* lq_core_close(), for the first time */
		open = false;
		closing = true;
		life++;
		do
		:: accept_queue?[r] ->
			accept_queue?r;
			entries--;
			drained[r] = 2;
			request[r].where = SHIM
		:: empty(accept_queue) -> break
		od;
		r = 0;
		check()
	}
	do
	:: atomic { /* and a bucket at a time */
		r < OBJECTS ->
		if
		:: request[r].where == HALF ->
			if
#ifndef BUG_CLOSE
			:: request[r].promoting ->
				qlen--;
				request[r].where = ORPHAN
#endif
			:: else ->
				take(r);
				drained[r] = 1
			fi
		:: else
		fi;
		r++;
		closing = (r < OBJECTS);
		check()
	   }
	:: else -> break
	od;
	r = 0;
	do
	:: atomic {
		drained[0] != 0 || drained[OBJECTS - 1] != 0 ->
		r = (drained[0] != 0 -> 0 : OBJECTS - 1);
		if
		:: drained[r] == 2 -> kernel_count--; children--
		:: else
		fi;
		free(r);
		drained[r] = 0;
		r = 0
	   }
	:: else -> break
	od;
	atomic { /* inet_csk_listen_stop() */
		listening = false;
		if
		:: carried -> carried = false; kernel_count--; children--
		:: else
		fi;
		assert(kernel_count == 0);
		prepared = false /* the sock's state changed */
	}
}

inline listen_again()
{
#ifndef BUG_LISTEN_EARLY
	readers == 0; /* lq_listener_wait_for_readers() */
#endif
	atomic { open = true; check() }
	atomic { /* inet_csk_listen_start() */
		kernel_count = 0;
		listening = true
	}
}

/* close, listen() again, close: at any time. */
proctype Owner()
{
	byte r, drained[OBJECTS];

	if
	:: close_listener();
	   listen_again()
	:: skip
	fi;
	close_listener();
	running == 0;
	/* The last words: everything was given back. */
	atomic {
		stopped = true;
		assert(qlen == 0 && reserved == 0 && held == 0 && entries == 0 && promotions == 0)
	}
	/* accept() may have one in its hands; if this never holds, something is lost. */
	atomic {
		children == 0 && leaving == 0 && kernel_count == 0 && in_use == 0;
		r = 0
	}
}

/* While it listens and nothing moves any more, nobody sleeps beside a connection. */
proctype Quiet()
{
	atomic {
		running == 0;
		assert(!(open && entries > 0 && sleeping && prepared))
	}
}

init {
	atomic {
#if SCENE == 1 /* one peer, each segment twice */
		running = 4;
		run Syn(0);
		run Syn(0);
		run Ack(0);
		run Ack(0);
#elif SCENE == 2 /* RST and timer beside the ACK */
		running = 4;
		run Syn(0);
		run Ack(0);
		run Rst(0);
		run Timer();
#elif SCENE == 3 /* two peers for one place */
		running = 4;
		run Syn(0);
		run Syn(1);
		run Ack(0);
		run Ack(1);
#elif SCENE == 4 /* a SYN queue of one place: one makes room for another */
		running = 4;
		run Syn(0);
		run Syn(1);
		run Syn(0);
		run Ack(0);
#endif
		run Accept();
		run Owner();
		run Quiet()
	}
}
