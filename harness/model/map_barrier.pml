/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The order of loads and stores in index mode, on CPUs that delay stores.
 *
 * Two CPUs push, each a slot of its own, one of them twice, in the same word of dead bits: one dirty bit. A
 * third CPU runs the drains. Each CPU has a store buffer with one place for a
 * store to the dead bits and one for a store to the dirty bit; they come to memory
 * at any time and in any order. A load looks into the own buffer first, which is
 * the own slot's dead bit. A full barrier empties the buffer: an atomic operation
 * that returns something, a lock handed on, queue_work().
 *
 * A slot is filled (which cancels, under its lock) and pushed again while drains
 * come by: percpu_defer_map_push(), percpu_defer_map_scan(), percpu_defer_arm(),
 * percpu_defer_take(). A CPU's age work may come between any two steps of a push,
 * as with PREEMPT_RT.
 *
 * Checked: when all work is done, no slot is dead.
 *
 * Variants that must be found faulty:
 *   NO_BARRIER_PUSH   the store to the dead bits may pass the look at the dirty bit
 *   NO_BARRIER_DRAIN  the look at the dead bits may pass the clearing of the
 *                     dirty bit
 *   NO_BARRIER_QUEUE  queue_work() is no barrier: a worker may run before the
 *                     dirty bit has come to memory
 *   DIRTY_FIRST       a push sets the dirty bit, and then the dead bits
 *   LOOK_FIRST        a drain looks at the dead bits, and then clears the dirty bit
 *   ARM_FIRST         a push asks for a drain before there is something to find
 *   DISARM_LAST       the age work queues the worker, and then disarms the CPU
 */

#define CPUS	3
#define WORKS	2	/* those of the pushing CPUs */
#define DRAINER	2	/* the CPU that runs them */

bool dead[2];		/* memory */
bool dirty;		/* memory */
bool buf_dead[CPUS];	/* buffered: "set the dead bit of this CPU's slot" */
bool buf_dirty[CPUS];	/* buffered: "set the dirty bit", on DRAINER "clear it" */
bool armed[WORKS];	/* of one CPU only, so always in order */
bool aged[WORKS];	/* the age work is pending */
bool queued[WORKS];	/* the drain is pending */
byte busy;		/* works that run */
byte running = 2;	/* pushers */

/* The buffered stores come to memory. */
inline commit_dead(cpu)
{
	d_step {
		buf_dead[cpu] -> buf_dead[cpu] = false;
		dead[cpu] = true
	}
}

inline commit_dirty(cpu)
{
	d_step {
		buf_dirty[cpu] -> buf_dirty[cpu] = false;
		dirty = (cpu != DRAINER)
	}
}

/* Waits until the own buffer is empty, which it is sooner or later. */
#define BARRIER(cpu)	(!buf_dead[cpu] && !buf_dirty[cpu])

inline set_dead()
{
	buf_dead[cpu] = true;
#ifndef NO_BARRIER_PUSH
	BARRIER(cpu)
#endif
}

/* test_bit() and set_bit(): no barrier. */
inline mark()
{
	if
	:: dirty || buf_dirty[cpu]
	:: else -> buf_dirty[cpu] = true
	fi
}

inline arm()
{
	if
	:: armed[cpu]
	:: else ->
		armed[cpu] = true;
		aged[cpu] = true
	fi
}

inline push()
{
#ifdef ARM_FIRST
	arm();
#endif
#ifdef DIRTY_FIRST
	mark();
	set_dead();
#else
	set_dead();
	mark();
#endif
#ifndef ARM_FIRST
	arm();
#endif
}

proctype pusher(byte cpu, rounds)
{
	byte round;

	do
	:: round < rounds ->
		/* Fill the slot, or leave it dead: it may be pushed as it is. */
		if
		:: atomic { BARRIER(cpu) -> dead[cpu] = false }
		:: round > 0 -> skip
		fi;
		push();
		round++
	:: else -> break
	od;
	running--
}

/* percpu_defer_aged(), on the CPU that pushes */
proctype age_work(byte cpu)
{
end:	do
	:: atomic { aged[cpu] -> aged[cpu] = false; busy++ };
		if
		:: armed[cpu] ->
#ifndef DISARM_LAST
			armed[cpu] = false;
#endif
#ifndef NO_BARRIER_QUEUE
			BARRIER(cpu);
#endif
			queued[cpu] = true;
#ifdef DISARM_LAST
			armed[cpu] = false
#endif
		:: else
		fi;
		busy--
	od
}

#define IS_FOUND(slot)	((found & (1 << (slot))) && dead[slot])

inline claim(slot)
{
	if
	:: IS_FOUND(slot) -> atomic { BARRIER(DRAINER) -> dead[slot] = false }
	:: else
	fi
}

inline look()
{
	found = dead[0] + 2 * dead[1]
}

/* percpu_defer_map_scan(): xchg(), and then the look */
inline scan()
{
	if
	:: dirty && !buf_dirty[DRAINER] ->
#ifdef LOOK_FIRST
		look();
#endif
		buf_dirty[DRAINER] = true;
#ifndef NO_BARRIER_DRAIN
		BARRIER(DRAINER);
#endif
#ifndef LOOK_FIRST
		look();
#endif
		claim(0);
		claim(1);
		found = 0
	:: else
	fi
}

/* The works of both CPUs; one after the other, see map_drain.pml for both at once. */
proctype worker()
{
	byte found, cpu;

end:	do
	:: atomic { queued[0] -> queued[0] = false; busy++ };
		scan();
		busy--
	:: atomic { queued[1] -> queued[1] = false; busy++ };
		scan();
		busy--
	od
}

proctype memory()
{
end:	do
	:: commit_dead(0)
	:: commit_dead(1)
	:: commit_dirty(0)
	:: commit_dirty(1)
	:: commit_dirty(DRAINER)
	od
}

#define IDLE(cpu)	(!aged[cpu] && !queued[cpu] && BARRIER(cpu))

init {
	atomic {
		run pusher(0, 2);
		run pusher(1, 1);
		run age_work(0);
		run age_work(1);
		run worker();
		run memory()
	};
	atomic {
		running == 0 && !busy && IDLE(0) && IDLE(1) && BARRIER(DRAINER);
		assert(!dead[0] && !dead[1])
	}
}
