/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a half-open request moves from a listener that ends to another (module/shim/heir.c), for Spin,
 * with the ACK that looks for it meanwhile on another CPU.
 *
 *	A has the request. A ends; B, which may be its heir, may end as well; C stays.
 *
 *	end     leave the places | leave the core | { moving | take | heir: alias, insert | not moving } |
 *	        close the core | connection: heir | wait for ACKs that build | forget the tags | the port goes
 *	ACK     TCP's lookup: some listener that is there | those that have the tag, one by one |
 *	        and if anybody moved meanwhile: wait for those that move, and all of it again, until
 *	        nobody has begun to move in a round | build, with the port | commit, or closed: heir
 *
 * An atomic block is a critical section, or one look. Claims: the ACK finds the request, whatever it
 * meets (TCP would answer it with RST), and makes its child; at the end the connection is at one listener,
 * which has not ended.
 *
 * -DBUG_x makes mistake x, and Spin must find it: ./run.sh
 */

#define A 0
#define B 1
#define C 2
#define COUNT 3
#define NONE 255

bool placed[COUNT];  /* SYNs find it: lq_ports.places */
bool serving[COUNT]; /* lst->serving */
bool takes[COUNT];   /* the core: what is new */
bool open[COUNT];    /* the core */
bool has[COUNT];     /* the request is on its SYN queue */
bool tagged[COUNT];  /* an entry of lq_ports.tags leads from A's tag to it: its own, or an alias */
bool moving[COUNT];  /* lst->moving */
bool builds[COUNT];  /* an ACK builds the child of the request: LQ_REQ_PROMOTING, an orphan once closed */
bool queued[COUNT];  /* the connection is on its accept queue */
bool port[COUNT];    /* the sock has its port, which the child inherits */
byte moves;	     /* lqn->moves: began */
byte moved;	     /* lqn->moved: are done */
bool over[COUNT];
bool found;
byte holder; /* the listener whose request was found */
byte ends;

/* lq_heir_choose(): any that serves. */
inline choose(self, heir)
{
	heir = NONE;
	atomic {
		if
		:: self != B && serving[B] -> heir = B
		:: self != C && serving[C] -> heir = C
		fi
	}
}

/* lq_ports_alias(), under ports->lock: @from's tags lead to @heir, too, while that has its place. */
inline alias(from, heir, ok)
{
	atomic {
		ok = placed[heir];
		if
		:: ok && tagged[from] -> tagged[heir] = true
		:: else
		fi
	}
}

inline insert(heir, ok)
{
	atomic {
#ifdef BUG_HEIR_ENDS
		ok = true;
#else
		ok = takes[heir];
#endif
		if
		:: ok -> assert(!has[heir]); has[heir] = true
		:: else
		fi
	}
}

/* The request is in @self's hands: it goes to an heir; C takes it for sure. */
inline give(self, heir, ok)
{
	do
	:: true ->
		choose(self, heir);
#ifdef BUG_ALIAS_LATE
		insert(heir, ok);
		if
		:: ok -> alias(self, heir, ok); break
		:: else
		fi
#else
#ifdef BUG_NO_ALIAS
		ok = true;
#else
		alias(self, heir, ok);
#endif
		if
		:: ok ->
			insert(heir, ok);
			if
			:: ok -> break
			:: else
			fi
		:: else
		fi
#endif
	od
}

inline take(self, hand)
{
	atomic {
		hand = has[self] && !builds[self];
		has[self] = has[self] && !hand
	}
}

/* The same of the connection, which needs no alias. */
inline give_connection(self, heir, ok)
{
	do
	:: true ->
		choose(self, heir);
		atomic {
			ok = takes[heir];
			queued[heir] = queued[heir] || ok
		}
		if
		:: ok -> break
		:: else
		fi
	od
}

proctype End(byte self)
{
	bool hand, ok;
	byte heir;

	serving[self] = false;
#ifndef BUG_LEAVE_UNTOLD
	moves++; /* lq_heirs_leaving() */
#endif
	placed[self] = false;
#ifdef BUG_TAG_FIRST
	tagged[self] = false;
#endif
#ifndef BUG_NO_LEAVE
	takes[self] = false;
#endif
#ifdef BUG_COUNT_FIRST
	moves++;
#endif
#ifndef BUG_NOT_MOVING
	moving[self] = true;
#endif
#ifndef BUG_COUNT_FIRST
	moves++;
#endif
	take(self, hand);
#ifdef BUG_DONE_EARLY
	moved = moved + 2;
#endif
	if
	:: hand -> give(self, heir, ok)
	:: else
	fi;
	moving[self] = false;
#ifndef BUG_DONE_EARLY
	moved++;
#endif
	/* lq_core_close(): nothing came after lq_core_leave(), so what is left an ACK has. */
	atomic {
		takes[self] = false;
		open[self] = false;
		assert(!has[self] || builds[self]);
		hand = queued[self];
		queued[self] = false
	}
	if
	:: hand -> give_connection(self, heir, ok)
	:: else
	fi;
#ifndef BUG_PORT_FIRST
	!builds[self]; /* lq_shard_wait_promotions() */
#endif
#if !defined(BUG_LEAVE_UNTOLD) && !defined(BUG_DONE_EARLY)
	moved++; /* lq_heirs_left() */
#endif
	tagged[self] = false;
	port[self] = false;
	over[self] = true;
	ends--
}

/* lq_ack_try(): the core is asked under its lock. */
inline try(at)
{
	atomic {
		if
		:: at != NONE && open[at] && has[at] -> found = true; builds[at] = true; holder = at
		:: else
		fi
	}
}

/* TCP's lookup: any that has its place; or the only one of ours. */
inline lookup(at)
{
	atomic {
		if
		:: placed[A] -> at = A
		:: placed[B] -> at = B
		:: placed[C] -> at = C
		fi;
		only = placed[A] + placed[B] + placed[C] == 1
	}
}

/* lq_ack_try_tagged(): the entries of the tag, the list as it is at each. */
inline try_tagged(at, i)
{
	i = 0;
	do
	:: i < COUNT && !found ->
		if
		:: tagged[i] -> try(i)
		:: else
		fi;
		i++
	:: else -> break
	od
}

/* lq_ack_try_moved(): nobody who has the tag moves. */
inline wait(i)
{
	i = 0;
	do
	:: i < COUNT ->
		if
		:: tagged[i] -> !moving[i]
		:: else
		fi;
		i++
	:: else -> break
	od
}

/* One round of lq_ack_try_moved() */
inline look(at, i)
{
	lookup(at);
	try(at);
	if
	:: !found -> try_tagged(at, i)
	:: else
	fi
}

proctype Ack()
{
	byte at, i, before, done, heir;
	bool ok, only;

	/* lq_ack_for() */
	done = moved;
	lookup(at);
	try(at);
	if
#ifdef BUG_TAGS_LAST
	:: false ->
#else
	:: !found && !only ->
#endif
		try_tagged(at, i)
	:: else
	fi;
#ifdef BUG_DONE_LATE
	done = moved;
#endif
	if
#ifdef BUG_NOT_AGAIN
	:: false ->
#else
	:: !found && moves != done ->
#endif
		do
		:: !found ->
			before = moves;
#ifndef BUG_NO_WAIT
			wait(i);
#endif
			look(at, i);
#ifdef BUG_LOOK_ONCE
			break;
#endif
			if
			:: before == moves -> break
			:: else
			fi
		:: else -> break
		od
#ifdef BUG_TAGS_LAST
	:: !found && moves == done && !only -> try_tagged(at, i)
#endif
	:: else
	fi;
	assert(found); /* else TCP answers with RST */
	assert(port[holder]); /* else there is no child, and the same */
	atomic { /* lq_core_promote_commit() */
		builds[holder] = false;
		has[holder] = false;
		ok = open[holder];
		queued[holder] = ok
	}
	if
	:: ok
	:: else -> give_connection(holder, heir, ok) /* LQ_COMMIT_CLOSED */
	fi;
	ends--
}

init {
	byte i = 0;

	atomic {
		do
		:: i < COUNT ->
			placed[i] = true;
			serving[i] = true;
			takes[i] = true;
			open[i] = true;
			port[i] = true;
			i++
		:: else -> break
		od;
		has[A] = true;
		tagged[A] = true;
		ends = 2;
		run End(A);
#if SCENE == 2
		ends = 3;
		run End(B);
#endif
		run Ack()
	}
	ends == 0;
	assert(has[A] + has[B] + has[C] == 0);
	assert(queued[A] + queued[B] + queued[C] == 1);
	assert(!queued[A]);
#if SCENE == 2
	assert(!queued[B])
#endif
}
