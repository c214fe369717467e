/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Removal against dispatch, as src/session/registry.c, dispatch.c and gate.h do it: one entry (session, CPU)
 * with two events, dispatchers that each give out some records, and one remover that removes both events.
 *
 * Stores are seen late, as on x86: the remover's and each dispatcher's stores go through a buffer that is
 * emptied in order at any moment later; a barrier waits for its own buffer to be empty. What runs under a
 * lock in the code is one process here.
 *
 * Must hold:
 *	quiet	no callback begins or runs after its removal returned
 *	given	nothing is given to an event by a dispatch that looked at it after it was marked
 *	memory	no event is read after it was freed
 *
 * Take a step out (scripts/model does) and one of them fails:
 *	-DNO_MARK	given (and quiet, for one that stood before the event)
 *	-DNO_BARRIER	quiet: the remover reads the counts before its mark can be seen
 *	-DNO_WAIT	quiet
 *	-DNO_GRACE	memory: the unlinking may be seen later than the counts were read
 *	-DNO_STRAGGLERS	quiet: one that took its turn long ago counts itself in late, where nobody looks
 */

#ifndef DISPATCHERS
#define DISPATCHERS 2
#endif
#ifndef RECORDS
#define RECORDS 2
#endif
#define A	0
#define B	1
#define END	2

/* what dispatchers read */
bool mark[2];
byte head = A;
byte next[2];			/* next[A] = B, next[B] = END */
byte inside[2];
byte turn;

/* stores on their way: what, value */
#define MARK(e)		(e)
#define HEAD		2
#define TURN		3
chan buffer = [6] of { byte, byte };

/* what happened, for the properties */
bool marked[2], removed[2], freed[2];
byte in_rcu[DISPATCHERS];	/* inside a read-side critical section */
byte sections[DISPATCHERS];	/* how many it has left */

active proctype memory_system()
{
	byte what, value;

end:	do
	:: atomic {
		buffer ? what, value;
		if
		:: what <= B -> mark[what] = value
		:: what == HEAD -> head = value
		:: what == TURN -> turn = value
		fi;
		what = 0;
		value = 0
	}
	od
}

inline barrier()
{
#ifndef NO_BARRIER
	empty(buffer)
#else
	skip
#endif
}

inline drain(which)
{
	(inside[which] == 0)
}

inline gate_wait()
{
#ifndef NO_WAIT
	by = my_turn;
#ifndef NO_STRAGGLERS
	drain(1 - by);
#endif
	my_turn = 1 - by;
	buffer ! TURN, my_turn;
	barrier();
	drain(by)
#else
	skip
#endif
}

inline grace_period()
{
#ifndef NO_GRACE
	empty(buffer);
	reader = 0;
	do
	:: reader < DISPATCHERS ->
		seen = sections[reader];
		(!in_rcu[reader] || sections[reader] != seen);
		reader++
	:: else -> break
	od
#else
	skip
#endif
}

inline remove(e)
{
#ifndef NO_MARK
	buffer ! MARK(e), 1;
	barrier();
#endif
	marked[e] = true;
	buffer ! HEAD, next[e];		/* both are removed from the front */
	gate_wait();
	removed[e] = true;
	empty(buffer)			/* unlocking is a barrier */
}

active proctype remover()
{
	byte by, my_turn;

	next[A] = B;
	next[B] = END;
	remove(A);
	remove(B)
}

/* call_rcu: removal does not wait for it */
active proctype reclaimer()
{
	byte reader, seen;

	removed[A];
	grace_period();
	freed[A] = true;
	removed[B];
	grace_period();
	freed[B] = true
}

active [DISPATCHERS] proctype dispatcher()
{
	byte me = _pid - 3, by, at, record;
	bool going, late;

	do
	:: record < RECORDS ->
		in_rcu[me] = true;
		by = turn;
		inside[by] = inside[by] + 1;	/* an atomic read-modify-write: a barrier too */
		at = head;
		do
		:: at == END -> break
		:: else ->
			assert(!freed[at]);				/* memory */
			atomic { going = mark[at]; late = marked[at] };
			if
			:: going ->
				assert(!freed[at]);			/* memory */
				at = next[at]
			:: else ->
#ifndef NO_BARRIER
				assert(!late);				/* given */
#endif
				assert(!removed[at]);			/* quiet: it begins */
				skip;					/* it runs */
				assert(!removed[at]);			/* quiet: it ends */
				break
			fi
		od;
		going = false;
		late = false;
		at = 0;
		inside[by] = inside[by] - 1;
		by = 0;
		atomic { in_rcu[me] = false; sections[me]++ };
		record++
	:: else -> break
	od
}
