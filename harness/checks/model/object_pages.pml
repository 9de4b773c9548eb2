/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages of objects: a flush and a worker race with pushes on another CPU.
 *
 * A CPU pushes objects into pages with room for two. A section with preemption disabled is
 * an RCU reader. The worker takes the page that the CPU is filling. That page is ripe, and
 * may be drained, after a grace period. A flush also takes the page, but waits for the grace
 * period. See percpu_defer_queue(), percpu_defer_push_slow(), percpu_defer_collect() and
 * percpu_defer_drain(). Loads and stores are in order, because xchg() and list operations
 * are full barriers.
 *
 * The flush may stop pushes first: see percpu_defer_set_enabled() and percpu_defer_destroy().
 *
 * Checked: no push appends to a drained page; an object that was pushed before a flush
 * began is freed when the flush returns, and so are all objects if it has stopped pushes;
 * no page is drained twice; no object is left at the end.
 *
 * Variants that must be found faulty:
 *   NO_GRACE_PERIOD  a flush does not wait for a grace period
 *   RIPE_AT_ONCE     a worker drains the page of another CPU immediately
 *   TAKE_UNLOCKED    a flush takes pages without the stripe lock
 *   NO_DRAIN_LOCK    drains do not exclude each other
 *   NO_PUT_BACK      a drain drops pages that are not ripe
 *   NO_LOOK_AGAIN    a push that has installed a page does not recheck the state
 *   STOP_ASKS_RCU    a flush that has stopped pushes skips pages that are not ripe
 */

#define PUSHES	3
#define PAGES	4
#define CLOSED	PAGES

#define BIT(n)	(1 << (n))

byte buf = CLOSED;	/* page that the CPU is filling; replaced only by xchg() */
byte room[PAGES];
byte objs[PAGES];	/* objects in each page */
byte list;		/* pages waiting to be drained */
byte unripe;		/* pages waiting for a grace period */
byte drained;		/* pages that were drained */
byte pushed, freed;	/* objects */
byte next;		/* next unused page */
bool reader;		/* preemption is disabled on the CPU */
bool stripe_lock;
bool off;		/* pushes are refused */
bool over, flushed;	/* no more pushes; no more flushes */

inline lock()
{
#ifndef NO_DRAIN_LOCK
	atomic { !stripe_lock -> stripe_lock = true }
#else
	skip
#endif
}

inline unlock()
{
	stripe_lock = false
}

/* Take the page of the CPU. The lock is held. */
inline take()
{
	atomic { page = buf; buf = CLOSED };
	if
	:: page != CLOSED ->
#ifndef RIPE_AT_ONCE
		atomic { unripe = unripe | BIT(page); list = list | BIT(page) }
#else
		list = list | BIT(page)
#endif
	:: else
	fi
}

/* Drain the list. The lock is held. @all: drain unripe pages, because no push is in flight. */
inline drain(all)
{
	atomic { mine = list; list = 0 };
	for (page : 0 .. PAGES - 1) {
		if
		:: mine & BIT(page) ->
			if
			:: (unripe & BIT(page)) && !all ->
#ifndef NO_PUT_BACK
				list = list | BIT(page)
#else
				skip
#endif
			:: else ->
				atomic {
					assert(!(drained & BIT(page)));
					drained = drained | BIT(page);
					freed = freed | objs[page]
				}
			fi
		:: else
		fi
	}
}

/* Wait until all current readers have ended. */
inline grace_period()
{
	old = unripe;
	!reader -> unripe = unripe & ~old
}

active proctype cpu()
{
	byte k, page, filled;

	for (k : 0 .. PUSHES - 1) {
		reader = true;
		if
		:: off -> goto refused
		:: else
		fi;
		page = buf;
		if
		:: page != CLOSED && room[page] -> skip
		:: else ->
			d_step { page = next; next++; room[page] = 2 };
			/* A new page is installed with its first object. */
			d_step { room[page]--; objs[page] = objs[page] | BIT(k) };
			atomic { filled = buf; buf = page };
			if
			:: filled != CLOSED -> list = list | BIT(filled)
			:: else
			fi;
#ifndef NO_LOOK_AGAIN
			if
			:: off ->
				atomic { filled = buf; buf = CLOSED };
				if
				:: filled != CLOSED -> list = list | BIT(filled)
				:: else
				fi
			:: else
			fi;
#endif
			goto done
		fi;
		room[page]--;
		atomic {
			assert(!(drained & BIT(page)));
			objs[page] = objs[page] | BIT(k)
		};
done:		pushed = pushed | BIT(k);
refused:	reader = false
	}
	over = true
}

active proctype worker()
{
	byte page, mine;

end:	do
	:: buf != CLOSED || list ->
		lock();
		take();
		drain(false);
		unlock()
	od
}

active proctype rcu()
{
	byte old;

end:	do
	:: unripe -> grace_period()
	od
}

active proctype flush()
{
	byte before, page, mine, old;

	if
	:: off = true
	:: skip
	fi;
	before = pushed;
#ifndef TAKE_UNLOCKED
	lock();
#endif
	take();
#ifndef TAKE_UNLOCKED
	unlock();
#endif
#ifndef NO_GRACE_PERIOD
	grace_period();
#endif
	lock();
#ifndef STOP_ASKS_RCU
	drain(off);
#else
	drain(false);
#endif
	unlock();
	assert(!(before & ~freed));
	assert(!off || !(pushed & ~freed));
	flushed = true
}

active proctype last()
{
	(over && flushed && buf == CLOSED && !list && !unripe && !stripe_lock) ->
	assert(freed == pushed)
}
