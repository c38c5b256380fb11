/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How members of a group take connections from the accept queue of one that is stuck
 * (module/shim/share.c), for Spin.
 *
 *	ACKs	a connection comes to A's queue, and A's work is armed; or to B's, and B is woken
 *	A	may close, and listen again; may accept(), once
 *	B, C	accept(): their own queue | A's lock: off its queue, and it holds its place |
 *		their own lock: on their queue, if there is room | A's lock: the place is free, or the
 *		connection is where it was, or has no queue to go back to: an heir's or reset |
 *		sleep, unless their own queue has one. In scene 2 B may close at any moment
 *	work	A's connection is due: whoever sleeps is woken; and so again while it waits there
 *
 * An atomic block is a critical section. Claims: no queue is ever longer than its limit; each
 * connection is accepted, reset or waiting, once; one that comes back does so to the life of A that it
 * is of; and where somebody could accept it, nobody sleeps for ever.
 *
 * -DBUG_x makes mistake x, and Spin must find it: ./run.sh
 */

#define A 0
#define B 1
#define C 2
#define COUNT 3
#define LIMIT 2
#ifndef CONNECTIONS
#define CONNECTIONS 3
#endif

byte qlen[COUNT];
byte leaving[COUNT];  /* places that are held while a connection is on its way */
bool open[COUNT];
bool asleep[COUNT];
bool woken[COUNT];
byte life;	      /* of A */
byte of_life[2];      /* connections on A's queue that came in this life, in each */
bool armed;	      /* A's work */
byte made, accepted, resets, in_hand;
bool over;

#define ALL_THERE \
	assert(made == accepted + resets + in_hand + qlen[A] + qlen[B] + qlen[C])

inline put(self)
{
	assert(open[self]);
	qlen[self]++;
	assert(qlen[self] + leaving[self] <= LIMIT);
}

active proctype Acks()
{
	byte left = CONNECTIONS;

	do
	:: left > 0 ->
		left--;
		atomic {
			if
			:: open[A] && qlen[A] + leaving[A] < LIMIT ->
				put(A);
				of_life[life]++;
				made++;
				armed = true
			:: open[B] && qlen[B] + leaving[B] < LIMIT ->
				put(B);
				made++;
				woken[B] = true
			:: else
			fi
		}
	:: left == 0 -> break
	od
}

active proctype Owner()
{
	/* It may accept one, */
	if
	:: atomic {
		qlen[A] > 0 ->
			qlen[A]--;
			of_life[life]--;
			accepted++
	   }
	:: true
	fi;
	/* and close. */
	if
	:: atomic {
		open[A] = false;
		resets = resets + qlen[A];
		qlen[A] = 0;
		of_life[life] = 0;
		armed = false
	   };
	   if
	   :: atomic { life++; open[A] = true }
	   :: true
	   fi
	:: true
	fi
}

/* lq_share_take() */
inline pull(self, ok)
{
	ok = false;
	hand = false;
	atomic {
		if
		:: open[A] && qlen[A] > 0 ->
			qlen[A]--;
			of_life[life]--;
			hand = true;
			hand_life = life;
			in_hand++;
#ifndef BUG_NO_PLACE
			leaving[A]++
#endif
		:: else
		fi
	}
	if
	:: hand ->
		atomic {
#ifdef BUG_NO_LIMIT
			ok = open[self];
#else
#ifdef BUG_TAKER_CLOSED
			ok = qlen[self] + leaving[self] < LIMIT;
#else
			ok = open[self] && qlen[self] + leaving[self] < LIMIT;
#endif
#endif
			if
			:: ok -> put(self); in_hand--
			:: else
			fi
		}
		atomic {
#ifndef BUG_NO_PLACE
#ifdef BUG_PLACE_KEPT
			if
			:: ok
			:: else -> leaving[A]--
			fi;
#else
			leaving[A]--;
#endif
#endif
			if
			:: ok
#ifdef BUG_BACK_CLOSED
			:: !ok && hand_life == life ->
#else
#ifdef BUG_NO_LIFE
			:: !ok && open[A] ->
#else
			:: !ok && open[A] && hand_life == life ->
#endif
#endif
				assert(hand_life == life);
				assert(open[A]);
				in_hand--;
				put(A);
				of_life[life]++;
#ifndef BUG_BACK_UNARMED
				/* The work may have seen an empty queue. */
				armed = true
#endif
			:: else ->
				in_hand--;
#ifndef BUG_LOST
				resets++
#endif
			fi
		}
	:: else
	fi;
	hand = false
}

proctype Taker(byte self)
{
	bool ok, hand;
	byte hand_life;

	do
	:: over || !open[self] -> break
	:: else ->
		ok = false;
		atomic {
			if
			:: qlen[self] > 0 ->
				assert(open[self]);
				qlen[self]--;
				accepted++;
				ok = true
			:: else
			fi
		}
		if
		:: !ok -> pull(self, ok)
		:: else
		fi;
		ALL_THERE;
		if
		:: ok
		:: else ->
			/* lq_accept_wait(): on the wait queue first */
			atomic { asleep[self] = true; woken[self] = false }
			if
			:: qlen[self] == 0 -> (woken[self] || over || !open[self])
			:: else
			fi;
			asleep[self] = false
		fi
	od
}

#if SCENE == 2
/* It takes its waiting connections with it, and those that sleep at it find out. */
active proctype Close()
{
	atomic {
		open[B] = false;
		resets = resets + qlen[B];
		qlen[B] = 0
	}
}
#endif

active proctype Work()
{
	do
	:: over -> break
	:: atomic {
		armed ->
			armed = false;
			if
			:: qlen[A] > 0 ->
				/* lq_share_wake(), in turn */
				if
				:: asleep[B] && open[B] -> woken[B] = true
				:: asleep[C] -> woken[C] = true
				:: !asleep[B] && !asleep[C]
				fi;
#ifndef BUG_ONCE
				armed = true
#endif
			:: else
			fi
	   }
	od
}

/* Nothing can happen any more. */
active proctype End()
{
	timeout ->
		ALL_THERE;
		assert(in_hand == 0);
		assert(leaving[A] == 0);
		assert(qlen[A] == 0 && qlen[C] == 0);
		assert(!open[B] || qlen[B] == 0);
		assert(qlen[A] == 0 || of_life[life] == qlen[A]);
		over = true
}

init {
	atomic {
		open[A] = true;
		open[B] = true;
		open[C] = true;
		run Taker(B);
		run Taker(C)
	}
}
