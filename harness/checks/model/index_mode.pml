/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A map with a client like zram. One slot is enough, because each slot has its own
 * lock. percpu_defer_map_push(), _cancel() and _claim() are called under the
 * locks that their kernel-doc names. See map_drain.pml for clients with one lock
 * for many slots, and for reclaim and flushes.
 *
 * Owners allocate the slot under the cluster lock, fill it under the slot lock (a
 * page of zeros needs no fill), access it, and free it under the cluster lock.
 * Drains and a recompressor run meanwhile. Checked: a drain never frees content
 * that is in use; no dead slot or content is left at the end.
 *
 * Variants that must be found faulty:
 *   BARE_INDEX         the drain frees every slot that it finds, without a claim
 *   NO_CANCEL          a refill does not cancel the deferred free
 *   PUSH_AFTER_UNLOCK  the push comes after the slot can be reallocated
 *   DIRTY_FIRST        a push sets the dirty bit before the dead bit
 *   CLEAN_LAST         a drain reads the dead bit before it clears the dirty bit
 *   ARM_FIRST          a push arms the drain before it sets the bits
 *   RECOMPRESS_CANCELS recompression cancels the deferred free, as a refill does
 */

#define OWNERS	2
#define ROUNDS	2		/* allocations per owner */

bool cluster_lock, slot_lock;
bool allocated;			/* under cluster_lock */
bool content;			/* under slot_lock; the slot holds memory */
bool live;			/* the content is in use */
bool dead;			/* the dead bit; atomic */
bool dirty;			/* dirty bit of the word with the dead bit; atomic */
bool armed;			/* a drain is pending */
byte running = OWNERS;
byte draining;

inline lock(l)		{ atomic { !l -> l = true } }
inline unlock(l)	{ l = false }

/* mark() and arm() test the flag first, in a separate step. */
inline mark()
{
	if
	:: dirty
	:: else -> dirty = true
	fi
}

inline arm()
{
	if
	:: armed
	:: else -> armed = true
	fi
}

inline push()
{
#ifdef ARM_FIRST
	arm();
#endif
#ifdef DIRTY_FIRST
	mark();
#endif
	dead = true;
#ifndef DIRTY_FIRST
	mark();
#endif
#ifndef ARM_FIRST
	arm();
#endif
}

inline cancel()
{
#ifndef NO_CANCEL
	dead = false
#else
	skip
#endif
}

proctype owner()
{
	byte round;

	for (round : 1 .. ROUNDS) {
		atomic { !cluster_lock && !allocated -> cluster_lock = true };
		allocated = true;
		unlock(cluster_lock);

		if
		:: true ->
			lock(slot_lock);
			cancel();
			content = false;
			content = true;
			live = true;
			unlock(slot_lock);

			lock(slot_lock);
			assert(content && !dead);
			unlock(slot_lock);
			live = false
		:: skip			/* a page of zeros has no content */
		fi;

		lock(cluster_lock);
#ifndef PUSH_AFTER_UNLOCK
		push();
#endif
		allocated = false;
		unlock(cluster_lock);
#ifdef PUSH_AFTER_UNLOCK
		push();
#endif
	}
	running--
}

inline drain_slot()
{
	bool claimed;

	lock(slot_lock);
#ifdef BARE_INDEX
	claimed = true;
	dead = false;
#else
	atomic { claimed = dead; dead = false };
#endif
	if
	:: claimed ->
		assert(!live);
		content = false
	:: else
	fi;
	unlock(slot_lock)
}

active [2] proctype drain()
{
	bool look, found;

end:	do
	:: atomic { armed -> armed = false; draining++ };
#ifdef CLEAN_LAST
		look = dirty;
		found = look && dead;
		dirty = false;
#else
		atomic { look = dirty; dirty = false };
		found = look && dead;
#endif
		if
		:: found -> drain_slot()
		:: else
		fi;
		draining--
	od
}

/* Replace the content once with another form of the same content. */
active proctype recompress()
{
	lock(slot_lock);
	if
	:: content && !dead ->
#ifdef RECOMPRESS_CANCELS
		cancel();
#endif
		content = false;
		content = true
	:: else
	fi;
	unlock(slot_lock)
}

init {
	byte i;

	atomic {
		for (i : 1 .. OWNERS) {
			run owner()
		}
	}
	running == 0 && !armed && !draining && !slot_lock;
	assert(!dead && !content)
}
