/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a listener had is parked as it ends, until another of its owner listens there, or the deadline
 * comes (module/shim/grace.c, park.c), for Spin; with an ACK that looks for its request meanwhile, and a
 * SYN.
 *
 *	A has the request, and ends. N, and in scene 2 M, too, begin to listen in its place at any time.
 *
 *	end       not serving | is another serving? else the place is found | leave the places |
 *	          leave the core | { moving | take | give: to who serves, or park | not moving } | filled |
 *	          is another serving now? claim, hand over
 *	listen    placed | serving | claim, hand over
 *	deadline  claim, reset
 *	hand over the place takes nothing more | { moving | take | insert | not moving } | forget it
 *	ACK       who is at the place | if anybody moved meanwhile, or anything is parked: wait for those
 *	          that move, and who is at the place, and what is parked; until nobody has begun to move
 *	SYN       who listens there | what is parked | and then TCP looks
 *
 * An atomic block is a critical section, or one look. Claims: unless the deadline came, the ACK finds
 * the request at a listener or in the place, the SYN is not refused, and at the end one listener has
 * the request, or nobody came. Nobody but one hands it over.
 *
 * -DBUG_x makes mistake x, and Spin must find it: ./run.sh
 */

#define A 0
#define N 1
#define M 2
#define COUNT 3
#define NONE 255

bool placed[COUNT];  /* lq_ports.places */
bool serving[COUNT]; /* lst->serving */
bool takes[COUNT];   /* the core: what is new */
bool has[COUNT];     /* the request is on its SYN queue */
bool parks;	     /* the place is in lq_net.parked */
bool parked_takes;   /* its core */
bool parked_has;
bool filled;
bool claimed;
bool moving;	     /* lst->moving of A, which the place holds */
byte moves;	     /* lqn->moves: began */
byte moved;	     /* lqn->moved: are done */
bool reset;	     /* the deadline came */
byte handed;	     /* how often the place was handed over, or ended */
byte running;

inline successor(to)
{
	atomic {
		to = NONE;
		if
		:: serving[N] -> to = N
		:: serving[M] -> to = M
		:: else
		fi
	}
}

inline claim(ours)
{
	atomic {
#ifdef BUG_CLAIM_TWICE
		ours = filled && parks;
#else
#ifdef BUG_UNFILLED
		ours = parks && !claimed;
#else
		ours = filled && !claimed;
#endif
#endif
		if
		:: ours -> claimed = true
		:: else
		fi
	}
}

/* lq_grace_end(); to NONE: nobody. */
inline hand_over(to, hand)
{
	handed++;
	assert(handed == 1);
	parked_takes = false;
#ifdef BUG_FORGET_FIRST
	parks = false;
#endif
	atomic { moving = true; moves++ };
	atomic { hand = parked_has; parked_has = false };
	if
	:: hand && to == NONE -> reset = true
	:: hand && to != NONE ->
		atomic { assert(takes[to] && !has[to]); has[to] = true }
	:: else ->
		if
		:: to == NONE -> reset = true
		:: else
		fi
	fi;
	atomic { moving = false; moved++ };
	parks = false
}

proctype End()
{
	bool hand, ours;
	byte to;

	serving[A] = false;
	successor(to);
#ifdef BUG_LEAVE_FIRST
	placed[A] = false;
#endif
	if
	:: to == NONE -> atomic { parks = true; parked_takes = true }
	:: else
	fi;
	placed[A] = false;
	takes[A] = false;
	atomic { moving = true; moves++ };
	atomic { hand = has[A]; has[A] = false };
	do
	:: hand ->
		successor(to);
		if
		:: to != NONE -> atomic { has[to] = true; hand = false }
		:: else -> atomic {
				if
				:: parked_takes -> parked_has = true; hand = false
				:: else
				fi
			}
		fi
	:: else -> break
	od;
	atomic { moving = false; moved++ };
	if
	:: parks ->
		filled = true;
#ifndef BUG_NO_SECOND_LOOK
		successor(to);
		if
		:: to != NONE ->
			claim(ours);
			if
			:: ours -> hand_over(to, hand)
			:: else
			fi
		:: else
		fi
#endif
	:: else
	fi;
	running--
}

proctype Listen(byte self)
{
	bool hand, ours;

	atomic { placed[self] = true; takes[self] = true };
#ifdef BUG_CLAIM_FIRST
	claim(ours);
	serving[self] = true;
#else
	serving[self] = true;
	claim(ours);
#endif
	if
	:: ours -> hand_over(self, hand)
	:: else
	fi;
	running--
}

/* It may come, or not, once the place is filled. */
proctype Deadline()
{
	bool hand, ours;

	if
	:: filled ->
		claim(ours);
		if
		:: ours -> hand_over(NONE, hand)
		:: else
		fi
	:: true
	fi;
	running--
}

inline look(found)
{
	atomic {
		found = (placed[A] && has[A]) || (placed[N] && has[N]) || (placed[M] && has[M])
	}
}

proctype Ack()
{
	bool found;
	byte before, done;

	done = moved;
	look(found);
	/* By the tag A is found until it is forgotten. */
	if
	:: !found -> atomic { found = has[A] }
	:: else
	fi;
	if
	:: !found && (moves != done || parks) ->
		do
		:: true ->
			before = moves;
#ifndef BUG_NO_WAIT
			!moving;
#endif
			look(found);
			if
			:: found -> break
			:: else
			fi;
			atomic { found = has[A] };
			if
			:: found -> break
			:: else
			fi;
#ifndef BUG_NOT_PARKED
			atomic { found = parked_has };
#endif
			if
			:: found || before == moves -> break
			:: else
			fi;
#ifdef BUG_LOOK_ONCE
			break;
#endif
		od
	:: else
	fi;
	assert(found || reset) /* else TCP answers with RST */
}

proctype Syn()
{
	bool there;

	atomic { there = placed[A] || placed[N] || placed[M] };
#ifndef BUG_SYN_REFUSED
	if
	:: !there -> there = parks
	:: else
	fi;
#endif
	/* TCP's own look, as it is left to it. */
	if
	:: !there -> atomic { there = placed[N] || placed[M] }
	:: else
	fi;
	assert(there || reset)
}

init {
	atomic {
		placed[A] = true;
		serving[A] = true;
		takes[A] = true;
		has[A] = true;
		running = 3;
		run End();
		run Listen(N);
		run Deadline();
#if SCENE == 2
		running = 4;
		run Listen(M);
#endif
		run Ack();
		run Syn()
	}
	running == 0;
	assert(!parks);
	assert(has[N] + has[M] == 1 || (reset && has[N] + has[M] == 0));
	assert(!has[A] && !parked_has)
}
