/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hand-over to a drain in index mode while CPUs go offline and come back.
 *
 * Two CPUs: 0 goes offline and comes back, or its teardown fails half-way; 1 stays.
 * A task pushes and may migrate between two steps; from a CPU that goes offline it
 * must. Age work is bound to its CPU, but once the workers of a CPU that goes down
 * are unbound, it runs elsewhere. See percpu_defer_arm(), percpu_defer_aged() and
 * percpu_defer_cpu_dead(). Sections with preemption disabled are one step where
 * they concern the own CPU: no CPU goes offline meanwhile. For the same reason the
 * age work's look at cpu_online() and what follows are one step.
 *
 * Checked: when no work is pending, nothing is dead and no CPU is armed.
 *
 * Variants that must be found faulty:
 *   HOTPLUG_LOST     the callback of a dead CPU does not hand over its work
 *   REQUEUE_LOST     age work that ran elsewhere is not queued again for a CPU that
 *                    is online: a failed teardown strands what it has pushed
 *   CALLBACK_EARLY   the callback runs while the CPU can still push
 *   DISARM_ELSEWHERE age work that runs elsewhere disarms the CPU and hands nothing
 *                    over
 */

#define PUSHES	3

bool dead, dirty;
bool online[2] = { true, true };
bool bound[2] = { true, true };	/* age work runs on its CPU */
bool armed[2];
bool aged[2];			/* the age work is pending */
bool queued;			/* a drain is pending; all scan the same map */
byte busy;			/* works that run */
byte running = 2;		/* the task, hotplug */

/* The task is on some CPU that is online. */
inline migrate()
{
	if
	:: online[0] -> cpu = 0
	:: cpu = 1
	fi
}

/* Hand over what CPU n has pushed, see percpu_defer_take(). */
inline take(n)
{
	if
	:: armed[n] ->
		armed[n] = false;
		queued = true
	:: else
	fi
}

active proctype task()
{
	byte pushes, cpu;

	do
	:: pushes < PUSHES ->
		dead = true;
		if
		:: dirty
		:: else -> dirty = true
		fi;
		/* Two steps, and maybe on two CPUs: the look, and then arming. */
		atomic {
			migrate();
			if
			:: armed[cpu] -> goto pushed
			:: else
			fi
		};
		atomic {
			migrate();
			armed[cpu] = true;
			aged[cpu] = true
		};
pushed:		pushes++
	:: else -> break
	od;
	running--
}

active [2] proctype age_work()
{
	byte n = _pid - 1;

end:	do
	:: atomic { aged[n] && (online[n] || !bound[n]) -> aged[n] = false; busy++ };
		atomic {
			if
			:: bound[n] && online[n] -> take(n)
			:: !(bound[n] && online[n]) && online[n] ->
#ifdef DISARM_ELSEWHERE
				armed[n] = false
#elif !defined(REQUEUE_LOST)
				aged[n] = true
#else
				skip
#endif
			:: !online[n]
			fi;
			busy--
		}
	od
}

active proctype drain()
{
end:	do
	:: atomic { queued -> queued = false; busy++ };
		if
		:: dirty ->
			dirty = false;
			if
			:: dead -> dead = false
			:: else
			fi
		:: else
		fi;
		busy--
	od
}

inline cpu_dead()
{
	/* cancel_delayed_work() does not wait for age work that runs. */
	aged[0] = false;
#ifndef HOTPLUG_LOST
	atomic { take(0) }
#endif
}

active proctype hotplug()
{
	byte tries = 0;

	do
	:: tries < 2 ->
		bound[0] = false;
		if
		:: true			/* the teardown fails */
		:: true ->
#ifdef CALLBACK_EARLY
			cpu_dead();
#endif
			online[0] = false;
#ifndef CALLBACK_EARLY
			cpu_dead();
#endif
			online[0] = true
		fi;
		bound[0] = true;
		tries++
	:: break
	od;
	running--
}

active proctype monitor()
{
	running == 0 && !busy && !queued && !aged[0] && !aged[1];
	assert(!dead && !armed[0] && !armed[1])
}
