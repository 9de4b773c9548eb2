/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A map with a client like zswap: one lock for many slots, a drain that claims
 * several slots per lock hold, and content that is freed after the lock is
 * dropped.
 *
 * Three slots: 0 and 1 share a word of dead bits, 2 is in the next word. One word
 * holds the dirty bits of both. Initially all slots are dead, and slot 2 is empty.
 *
 * owner   allocates one or two slots, and fills each with or without a store (a page
 *         of zeros, a hibernation image); may refill slot 0 if that is its only slot;
 *         frees the slots under the cluster lock: see zswap_invalidate_range()
 * drains  a worker, which retries later if another drain is running, and memory
 *         reclaim, which runs twice and does not wait for locks:
 *         percpu_defer_map_drain() and zswap_drain()
 * task    percpu_defer_flush(), zswap_load() or zswap_writeback_entry()
 *
 * The summary level is in map_levels.pml.
 *
 * Checked: a drain never erases an entry that is in use; stale content
 * is never read; a slot in use has no dead entry; an entry in a free slot is dead
 * (no orphan); content that is dead when a flush begins is freed when it returns;
 * no dead slot or stale content is left at the end.
 *
 * A single-step access under the tree lock is modelled as one step that includes the
 * lock; only drains hold the lock for longer.
 *
 * Variants that must be found faulty:
 *   A1_CLAIM_ALL       the drain claims each slot that has an entry, and then claims
 *                      all slots without looking at the entries
 *   LOOK_BEFORE_CLAIM  the drain tests the dead bit before the claim and relies on it
 *   CLAIM_UNLOCKED     the drain claims before it takes the tree lock
 *   NO_CANCEL_STORE    a store does not cancel the deferred free
 *   CANCEL_LAST        a store cancels after the new entry is in the tree
 *   NO_CANCEL_ZERO     a fill without a store neither cancels nor erases
 *   ZERO_ERASES_DEAD   a fill without a store erases only a dead entry
 *   VISIBLE_FIRST      a fill without a store unlocks the folio before it cancels
 *   WRITEBACK_DEAD     writeback does not test whether the entry is dead, and fills
 *                      without a store neither cancel nor erase
 *   FLUSH_NO_WAIT      a flush does not wait for a running drain
 *   NO_REMARK          slots that reclaim skips are not marked dirty again
 *   NO_RETURN          a worker that leaves the stripe to another drain does not rearm
 */

#ifndef ROUNDS
#define ROUNDS		2	/* allocations */
#endif
#define SLOTS		3
#define VISITS		2	/* of reclaim */
#define DRAINS		3	/* worker, reclaim, flush */

#define BIT(n)		(1 << (n))
#define IN(mask, i)	((mask) & BIT(i))
#define WEIGHT(mask)	(((mask) & 1) + ((mask) & 2) / 2 + ((mask) & 4) / 4)

/* Masks of the dead bits in the two words. */
#define WORD_0		3
#define WORD_1		4

/* Content of a slot. DUE: like OLD, but the running flush must wait until it is freed. */
#define NONE	0
#define LIVE	1
#define OLD	2
#define DUE	3

bool cluster_lock, tree_lock;
bool drain_lock;
byte used;			/* allocated slots; under cluster_lock */
byte folio;			/* slots with a locked folio, which excludes other users */
byte entry[SLOTS] = { OLD, OLD, NONE };	/* under tree_lock */
byte dead = WORD_0 | WORD_1;	/* atomic */
byte dirty = 3;			/* atomic */
bool armed;			/* a worker is pending */
byte busy = 2;			/* drains that are running or pending */
byte pushing;			/* slots of the push in progress */
byte held_old[DRAINS], held_due[DRAINS];	/* erased but not freed */
byte due;			/* contents that the flush must wait for */
byte running = 2;		/* owner, task */

#define ORPHAN(i)	(!IN(used, i) && entry[i] != NONE && !IN(dead, i))
#define NO_ORPHAN	(!ORPHAN(0) && !ORPHAN(1) && !ORPHAN(2))

inline lock(l)		{ atomic { !l -> l = true } }

/* Set the content of slot i and free the old one. */
inline set_entry(i, content)
{
	atomic {
		!tree_lock;
		if
		:: entry[i] == DUE -> due--
		:: else
		fi;
		entry[i] = content
	}
}

/* Cancel the deferred free of slot i. A flush need not wait for the owner's free. */
inline cancel(i)
{
	d_step {
		dead = dead & ~BIT(i);
		if
		:: entry[i] == DUE ->
			entry[i] = OLD;
			due--
		:: else
		fi
	}
}

inline store(i)
{
#if !defined(NO_CANCEL_STORE) && !defined(CANCEL_LAST)
	cancel(i);
#endif
	set_entry(i, LIVE);
#ifdef CANCEL_LAST
	cancel(i);
#endif
}

inline fill_without_store(i)
{
	/* Any content present is stale. */
	d_step {
		if
		:: entry[i] == LIVE -> entry[i] = OLD
		:: else
		fi
	};
#ifdef VISIBLE_FIRST
	folio = folio & ~BIT(i);
#endif
#ifdef ZERO_ERASES_DEAD
	if
	:: IN(dead, i) ->
		cancel(i);
		set_entry(i, NONE)
	:: else
	fi;
#elif !defined(NO_CANCEL_ZERO) && !defined(WRITEBACK_DEAD)
	cancel(i);
	set_entry(i, NONE);
#endif
}

inline fill(i)
{
	if
	:: store(i)
	:: fill_without_store(i)
	fi;
	atomic {
#ifndef WRITEBACK_DEAD
		assert(entry[i] < OLD && !IN(dead, i));
#endif
		folio = folio & ~BIT(i)
	}
}

/* Set dead bits in one word, and then mark the word dirty. */
inline kill(w, word)
{
	if
	:: mask & word ->
		dead = dead | (mask & word);
		if
		:: IN(dirty, w)
		:: else -> dirty = dirty | BIT(w)
		fi
	:: else
	fi
}

inline retire(i)
{
	if
	:: IN(mask, i) && entry[i] == LIVE -> entry[i] = OLD
	:: else
	fi
}

inline push()
{
	d_step {
		pushing = mask;
		retire(0);
		retire(1);
		retire(2)
	};
	kill(0, WORD_0);
	kill(1, WORD_1);
	if
	:: armed
	:: else -> armed = true
	fi
}

/* Condition for a push in zswap_invalidate_range(). */
#define HAS_ENTRY	((IN(mask, 0) && entry[0]) || (IN(mask, 1) && entry[1]) || \
			 (IN(mask, 2) && entry[2]))

inline fill_one(i)
{
	if
	:: IN(mask, i) -> fill(i)
	:: else
	fi
}

active proctype owner()
{
	byte round, mask;

	do
	:: round < ROUNDS ->
		atomic {
			if
			:: mask = 1
			:: mask = 3	/* in one word */
			:: mask = 6	/* in two */
			fi;
			used = used | mask;
			folio = folio | mask
		};
		fill_one(0);
		fill_one(1);
		fill_one(2);
		/* Overwrite the slot. */
		if
		:: mask == 1 ->
			atomic { !IN(folio, 0) -> folio = folio | 1 };
			fill(0)
		:: true
		fi;

		atomic { !(folio & mask) -> cluster_lock = true };
		if
		:: HAS_ENTRY -> push()
		:: else
		fi;
		d_step {
			used = used & ~mask;
			pushing = 0;
			mask = 0;
			round++;
			cluster_lock = false
		}
	:: else -> break
	od;
	running--
}

/* Take the content of slot i to free it later. */
inline take(i)
{
	d_step {
		assert(entry[i] != LIVE);
		if
		:: entry[i] == OLD -> held_old[me] = held_old[me] | BIT(i)
		:: entry[i] == DUE -> held_due[me] = held_due[me] | BIT(i)
		:: else
		fi;
		entry[i] = NONE
	}
}

inline claim(i)
{
	d_step {
		claimed = (IN(dead, i) -> true : false);
		dead = dead & ~BIT(i)
	}
}

inline claim_word(word)
{
	d_step {
		look = look | (dead & found & word);
		dead = dead & ~(found & word)
	}
}

inline take_claimed(i)
{
	if
	:: claimed -> take(i)
	:: else
	fi
}

inline drain_index(i)
{
	if
	:: IN(found, i) ->
#ifdef A1_CLAIM_ALL
		if
		:: entry[i] != NONE ->
			claim(i);
			take_claimed(i)
		:: else
		fi
#elif defined(LOOK_BEFORE_CLAIM)
		look = IN(dead, i);
		claim(i);
		if
		:: look -> take_claimed(i)
		:: else
		fi
#else
		claimed = (IN(look, i) -> true : false);
		take_claimed(i)
#endif
	:: else
	fi
}

inline claim_index(i)
{
	if
	:: IN(found, i) -> claim(i)
	:: else
	fi
}

inline free_held()
{
	d_step {
		due = due - WEIGHT(held_due[me]);
		held_due[me] = 0;
		held_old[me] = 0;
		claimed = false;
		look = 0;
		found = 0
	}
}

/* Mark the words of unclaimed slots dirty again. */
inline remark()
{
#ifdef NO_REMARK
	skip
#else
	d_step {
		if
		:: found & WORD_0 -> dirty = dirty | 1
		:: else
		fi;
		if
		:: found & WORD_1 -> dirty = dirty | 2
		:: else
		fi
	};
	/* The work that the push armed will find the slots: it has not taken the lock yet. */
#endif
}

inline drain(try)
{
#ifdef CLAIM_UNLOCKED
	claim_word(WORD_0);
	claim_word(WORD_1);
#endif
	if
	:: atomic { !tree_lock -> tree_lock = true };
#if !defined(A1_CLAIM_ALL) && !defined(LOOK_BEFORE_CLAIM) && !defined(CLAIM_UNLOCKED)
		claim_word(WORD_0);
		claim_word(WORD_1);
#endif
		drain_index(0);
		drain_index(1);
		drain_index(2);
#ifdef A1_CLAIM_ALL
		claim_index(0);
		claim_index(1);
		claim_index(2);
#endif
		d_step {
			assert(cluster_lock || NO_ORPHAN);
			tree_lock = false
		}
	:: try ->	/* trylock failed: another task holds the lock */
		remark()
	fi;
	free_held()
}

/* Drain the dirty words, under drain_lock. */
inline scan(try)
{
	d_step { words = dirty; dirty = 0 };
	if
	:: IN(words, 0) -> found = dead & WORD_0
	:: else
	fi;
	if
	:: IN(words, 1) -> found = found | (dead & WORD_1)
	:: else
	fi;
	words = 0;
	if
	:: found -> drain(try)
	:: else
	fi
}

active proctype worker()
{
	byte words, found, look;
	bool claimed;
	byte me = 0;

	do
	:: if
		:: lock(drain_lock);
			scan(false);
			d_step { drain_lock = false; busy-- }
		:: atomic { drain_lock ->
#ifndef NO_RETURN
			armed = true;
#endif
			busy-- }
		fi;
end_drain:	atomic { armed -> armed = false; busy++ }
	od
}

active proctype reclaim()
{
	byte words, found, look, visits;
	bool claimed;
	byte me = 1;

	do
	:: visits < VISITS ->
		if
		:: lock(drain_lock);
			scan(true);
			drain_lock = false
		:: atomic { drain_lock -> skip }
		fi;
		visits++
	:: else -> break
	od;
	busy--
}

inline mark_one(i)
{
	if
	:: entry[i] == OLD && IN(dead, i) && !IN(pushing, i) ->
		entry[i] = DUE;
		due++
	:: else
	fi
}

inline mark_held(n)
{
	held_due[n] = held_old[n];
	due = due + WEIGHT(held_old[n]);
	held_old[n] = 0
}

inline flush()
{
	d_step {
		mark_one(0);
		mark_one(1);
		mark_one(2);
		mark_held(0);
		mark_held(1)
	};
#ifndef FLUSH_NO_WAIT
	lock(drain_lock);
#endif
	scan(false);
#ifndef FLUSH_NO_WAIT
	drain_lock = false;
#endif
	assert(!due)
}

/* The caller holds the folio lock, which keeps the slot in use and excludes other fills. */
inline swap_in(i)
{
	if
	:: entry[i] != NONE ->
		assert(entry[i] == LIVE);
		set_entry(i, NONE)
	:: else
	fi
}

inline write_back(i)
{
	if
#ifdef WRITEBACK_DEAD
	:: atomic { !tree_lock && entry[i] != NONE ->
#else
	:: atomic { !tree_lock && entry[i] != NONE && !IN(dead, i) ->
#endif
		assert(entry[i] == LIVE) };
		assert(entry[i] == LIVE);
		set_entry(i, NONE)
	:: atomic { !tree_lock && (entry[i] == NONE || IN(dead, i)) -> skip }
	fi
}

inline read_slot(i)
{
	if
	:: atomic {
		!cluster_lock && IN(used, i) && !IN(folio, i) ->
		folio = folio | BIT(i)
	   };
		if
#ifndef WRITEBACK_DEAD
		:: swap_in(i)
#endif
		:: write_back(i)
		fi;
		folio = folio & ~BIT(i)
	:: atomic { running == 1 -> skip }
	fi
}

active proctype task()
{
	byte words, found, look;
	bool claimed;
	byte me = 2;

	if
	:: flush()
	:: read_slot(0)
	:: read_slot(1)
	fi;
	running--
}

active proctype monitor()
{
	atomic {
		running == 0 && !armed && !busy;
		assert(!dead && entry[0] < OLD && entry[1] < OLD && entry[2] < OLD);
		assert(NO_ORPHAN)
	}
}
