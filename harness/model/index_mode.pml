/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol of index mode, for one slot: what percpu_defer_map_push(),
 * _cancel() and _claim() guarantee when they are called under the locks that
 * their kernel-doc names.
 *
 * Owners allocate the slot under the cluster lock, fill it under the slot lock
 * (or do not, as with a page of zeros), look at it, and free it under the
 * cluster lock. Drains and a recompressor go about meanwhile. Checked: a drain
 * never frees content that is in use; in the end nothing is left behind.
 *
 * Variants that must be found faulty, see model.sh:
 *   BARE_INDEX         the drain frees what it is told to, without a claim
 *   NO_CANCEL          a refill does not cancel the death
 *   PUSH_AFTER_UNLOCK  the push comes after the slot can be allocated again
 *   FORGET_UNRECORDED  a push without room for its record asks for no rescan
 *   RECOMPRESS_CANCELS recompression takes the slot back, as a refill does
 */

#define OWNERS	2
#define ROUNDS	2		/* lives of the slot, for each owner */
#define RECORDS	2		/* room in the buffer */

bool cluster_lock, slot_lock;
bool allocated;			/* under cluster_lock */
bool content;			/* under slot_lock: memory is held */
bool live;			/* the content is in use */
bool dead;			/* the dead bit; atomic */
bool unrecorded;
chan records = [RECORDS] of { bit };
byte running = OWNERS;
byte draining;

inline lock(l)		{ atomic { !l -> l = true } }
inline unlock(l)	{ l = false }

inline push()
{
	dead = true;
	if
	:: atomic { nfull(records) -> records!1 }
	:: true ->			/* full of other slots, and no page */
#ifndef FORGET_UNRECORDED
		unrecorded = true
#else
		skip
#endif
	fi
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
		:: skip			/* a page of zeros needs no content */
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
	bit record;

end:	do
	:: atomic { nempty(records) -> records?record; draining++ };
		drain_slot();
		draining--
	:: atomic { unrecorded -> unrecorded = false; draining++ };
		if
		:: dead -> drain_slot()
		:: else
		fi;
		draining--
	od
}

/* Replaces content by the same content in another form, once. */
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
	running == 0 && empty(records) && !unrecorded && !draining && !slot_lock;
	assert(!dead && !content)
}
