/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The three levels of a map: dead bits, dirty bits, and a summary bit.
 *
 * Slots 0 and 1 share a word of dead bits; slot 2 is in the next word and initially dead.
 * The dirty bits of both words share one summary bit. Each of two pushers has one slot. The
 * pusher cancels the deferred free to fill the slot, or leaves it dead, pushes it, and may
 * then flush. A worker drains, and retries later if another drain is running. A reclaimer
 * drains once, and may leave slots whose lock is contended.
 *
 * Atomic operations with a return value are full barriers and single steps. In a variant
 * without a barrier, the load of a single bit overtakes the operation before the load.
 *
 * Checked: the slots that a task has pushed are drained when its flush returns; no slot is
 * dead at the end.
 *
 * Variants that must be found faulty:
 *   NO_BARRIER_DEAD     the dirty bit is loaded before the dead bit is set
 *   NO_BARRIER_DIRTY    the summary bit is loaded before the dirty bit is set
 *   NO_BARRIER_SUMMARY  the work is tested before the summary bit is set
 *   NO_ACQUIRE          the summary bit is loaded before a dirty bit that is found set
 *   ONE_LEVEL           a push tests the summary bit only if it has set the dirty bit
 *   DIRTY_FIRST         a push sets the dirty bit before the dead bit
 *   LOOK_FIRST          a drain reads the dead bits before it clears the dirty bits
 *   BOTTOM_UP           a drain clears the dirty bits before the summary bit
 *   NO_LOCK             drains of one stripe do not exclude each other
 *   NO_PUT_BACK         a drain that leaves a slot does not mark the word again
 *   NO_RETURN           a worker that leaves the stripe to another drain does not rearm
 */

#define SLOTS	3
#define PUSHERS	2
#define ROUNDS	(2 - me)

bool dead[SLOTS] = { false, false, true };
byte dirty = 2;		/* one bit per word */
bool summary = true;
bool armed = true;	/* the work is pending */
bool stripe_lock;
byte busy;
byte running = PUSHERS;

#define WORD(i)		((i) / 2)
#define BIT(n)		(1 << (n))

/* Load in program order, or early if the barrier is missing. */
inline mark_dirty(w)
{
#ifdef NO_BARRIER_DEAD
	seen = early_dirty;
#else
	seen = dirty & BIT(w);
#endif
	if
	:: seen -> set = false
	:: else ->
#ifdef NO_BARRIER_DIRTY
		early = summary;
#endif
		dirty = dirty | BIT(w);
		set = true
	fi
}

inline mark_summary()
{
#ifdef ONE_LEVEL
	if
	:: !set -> goto marked
	:: else
	fi;
#endif
	if
#ifdef NO_BARRIER_DIRTY
	:: set -> seen = early
	:: !set -> seen = summary
#elif defined(NO_ACQUIRE)
	:: set -> seen = summary
	:: !set -> seen = early
#else
	:: seen = summary
#endif
	fi;
	if
	:: seen
	:: else ->
#ifdef NO_BARRIER_SUMMARY
		late = armed;
#endif
		atomic { seen = summary; summary = true }
	fi;
marked:	skip
}

inline push(i)
{
#ifdef NO_BARRIER_DEAD
	early_dirty = dirty & BIT(WORD(i));
#endif
#ifdef DIRTY_FIRST
	mark_dirty(WORD(i));
	dead[i] = true;
#else
	dead[i] = true;
#ifdef NO_ACQUIRE
	early = summary;
#endif
	mark_dirty(WORD(i));
#endif
	mark_summary();
	if
	:: seen			/* the task that set the bit arms the work */
	:: else ->
#ifndef NO_BARRIER_SUMMARY
		late = armed;
#endif
		if
		:: late
		:: else -> armed = true
		fi
	fi
}

inline look(w, try)
{
	if
	:: words & BIT(w) ->
		i = 2 * w;
		do
		:: i < SLOTS && WORD(i) == w ->
			if
			:: atomic { dead[i] -> dead[i] = false }	/* the claim */
			:: atomic { try && dead[i] -> left = true }	/* its lock is contended */
			:: atomic { !dead[i] -> skip }
			fi;
			i++
		:: else -> break
		od;
		if
		:: left ->
#ifndef NO_PUT_BACK
			dirty = dirty | BIT(w);
			if
			:: atomic { summary -> skip }
			:: atomic { !summary -> summary = true };
				if
				:: armed
				:: else -> armed = true
				fi
			fi;
#endif
			left = false
		:: else
		fi
	:: else
	fi
}

/* Drain both words, under the stripe lock. */
inline scan(try)
{
	if
	:: summary ->
#ifdef BOTTOM_UP
		atomic { words = dirty; dirty = 0 };
		summary = false;
#else
		summary = false;
#ifdef LOOK_FIRST
		words = dirty;
#else
		atomic { words = dirty; dirty = 0 };
#endif
#endif
		look(0, try);
		look(1, try);
#ifdef LOOK_FIRST
		atomic { dirty = dirty & ~words };
#endif
		words = 0
	:: else
	fi
}

inline lock()
{
#ifndef NO_LOCK
	atomic { !stripe_lock -> stripe_lock = true }
#else
	skip
#endif
}

proctype pusher(byte me)
{
	byte round, words, i;
	byte seen, early_dirty;
	bool set, early, late, left;

	do
	:: round < ROUNDS ->
		if
		:: dead[me] = false	/* filled, so cancelled */
		:: true			/* still dead, or drained */
		fi;
		push(me);
		d_step {
			round++;
			seen = 0;
			set = false;
			early = false;
			late = false;
			early_dirty = 0
		}
	:: else -> break
	od;
	if
	:: true ->
		lock();
		scan(false);
		assert(!dead[me]);
		stripe_lock = false
	:: true
	fi;
	running--
}

active proctype worker()
{
	byte words, i;
	bool left;

end:	do
	:: atomic { armed -> armed = false; busy++ };
		if
		:: lock();
			scan(false);
			d_step { stripe_lock = false; busy-- }
		:: atomic { stripe_lock ->
#ifndef NO_RETURN
			armed = true;
#endif
			busy-- }
		fi
	od
}

active proctype reclaimer()
{
	byte words, i;
	bool left;

	if
	:: atomic { !stripe_lock -> stripe_lock = true; busy++ };
		scan(true);
		d_step { stripe_lock = false; busy-- }
	:: true
	fi
}

init {
	byte n;

	atomic {
		for (n : 0 .. PUSHERS - 1) {
			run pusher(n)
		}
	}
	running == 0 && !armed && !busy;
	assert(!dead[0] && !dead[1] && !dead[2])
}
