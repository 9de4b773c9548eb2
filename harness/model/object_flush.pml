/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Object mode: a flush against pushes and rotations on another CPU.
 *
 * A CPU pushes objects into buffers with room for one, so that each push rotates;
 * see percpu_defer_push(), percpu_defer_rotate() and percpu_defer_queue(). A worker
 * and a flush drain, see percpu_defer_drain_bufs() and percpu_defer_flush(). A
 * section with preemption disabled is a reader of RCU. Loads and stores are in
 * order: xchg() and the list are full barriers.
 *
 * Checked: no push appends to a buffer that was drained; an object that was pushed
 * before a flush began is freed when it returns; no buffer is drained twice.
 *
 * Variants that must be found faulty:
 *   NO_GRACE_PERIOD  a flush drains buffers without waiting for pushes
 *   INSTALLED_FIRST  a rotation sets ->installed before it exchanges the buffer
 *   CLEAR_LAST       a flush clears ->installed after it took the buffers
 *   NO_DRAIN_LOCK    a flush does not wait for a drain that took the list
 */

#define PUSHES	3
#define FLUSHES	2
#define BUFS	5	/* each flush may close a buffer before it is filled */
#define CLOSED	BUFS

#define BIT(n)	(1 << (n))

byte buf = CLOSED;	/* the CPU's buffer; left by xchg() only */
byte room;		/* buffers with room */
byte holds;		/* buffers with an object */
byte pushed;		/* buffers whose push is over */
byte freed;		/* buffers that were drained */
byte list_full;		/* buffers on the list */
byte queued, drained;	/* number of buffers */
bool installed;
bool reader;		/* preemption is disabled on the CPU */
bool drain_lock;

/* One after the other, see percpu_defer_queue(). */
inline queue(b)
{
	queued++;
	list_full = list_full | BIT(b)
}

active proctype pusher()
{
	byte next, pushes, old;

	do
	:: pushes < PUSHES ->
		atomic { reader = true; old = buf };
		if
		:: old != CLOSED && (room & BIT(old)) ->
			/* Two stores: a drain must not read between them. */
			room = room & ~BIT(old);
			atomic {
				assert(!(freed & BIT(old)));
				holds = holds | BIT(old);
				pushes++
			};
			/* The push returns. */
			atomic { pushed = pushed | BIT(old); reader = false }
		:: else ->
			room = room | BIT(next);
#ifdef INSTALLED_FIRST
			installed = true;
#endif
			atomic { old = buf; buf = next; next++ };
#ifndef INSTALLED_FIRST
			installed = true;
#endif
			if
			:: old != CLOSED -> queue(old)
			:: else
			fi;
			reader = false
		fi
	:: else -> break
	od
}

inline free_all()
{
	/* Simplified: the whole list at once, not buffer by buffer. */
	if
	:: list ->
		assert(!(list & freed));
		freed = freed | list;
		drained = drained + (list & 1) + (list & 2) / 2 + (list & 4) / 4 +
			  (list & 8) / 8 + (list & 16) / 16;
		list = 0
	:: else
	fi
}

inline drain()
{
	until = queued;
#ifndef NO_DRAIN_LOCK
	atomic { !drain_lock -> drain_lock = true };
#endif
	if
	:: until > drained ->
		atomic { list = list_full; list_full = 0 };
		atomic { free_all() }
	:: else
	fi;
#ifndef NO_DRAIN_LOCK
	drain_lock = false;
#endif
	until = 0
}

active proctype worker()
{
	byte until, list;

end:	do
	:: list_full -> drain()
	od
}

active proctype flush()
{
	byte until, list, taken, due, flushes;
	bool look;

	do
	:: flushes < FLUSHES ->
		due = pushed;
#ifdef CLEAR_LAST
		look = installed;
#else
		atomic { look = installed; installed = false };
#endif
		if
		:: look ->
			atomic { taken = buf; buf = CLOSED };
#ifdef CLEAR_LAST
			installed = false;
#endif
#ifndef NO_GRACE_PERIOD
			!reader;
#endif
			if
			:: taken != CLOSED -> queue(taken)
			:: else
			fi
		:: else
		fi;
		drain();
		assert(!(due & ~freed));
		flushes++
	:: else -> break
	od
}
