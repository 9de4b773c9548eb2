// SPDX-License-Identifier: GPL-2.0
/// To drain inline, to flush, to switch off, to set up and to destroy an
/// instance may sleep; so none of it may be done with a spinlock held, in an RCU
/// read-side critical section, with preemption, interrupts or softirqs disabled,
/// or in what timers, tasklets, RCU callbacks and hard interrupts call.
//# Found are calls in the same function as the lock, and of functions of the same
//# file that make such a call. Locks that are only tried are not looked at. A
//# false positive is a lock that is taken and dropped under the same condition.
///
// Confidence: Moderate
// Options: --no-includes --include-headers
// Keywords: percpu_defer_flush, percpu_defer_flush_all, percpu_defer_help,
// Keywords: percpu_defer_set_enabled, percpu_defer_destroy, percpu_defer_init

virtual context
virtual org
virtual report

@initialize:python@
@@

LIBRARY = {"percpu_defer_flush", "percpu_defer_flush_all", "percpu_defer_help",
           "percpu_defer_set_enabled", "percpu_defer_destroy",
           "percpu_defer_map_destroy", "percpu_defer_init",
           "percpu_defer_map_init", "percpu_defer_start"}
sleepers = set(LIBRARY)
current = None

ends = {}

def spot(place):
    return int(place.line), int(place.column)

def note_end(guard, end):
    where = (guard.file, spot(guard))
    ends[where] = min(ends.get(where, spot(end)), spot(end))

def is_end(guard, end):
    return ends[(guard.file, spot(guard))] == spot(end)

findings = {}

def spot_of(place):
    return place.file, place.line, place.column, place.column_end

def find(place, message):
    findings[spot_of(place)] = message

def finding(place):
    return findings.get(spot_of(place))

@sleeps@
identifier sleep = {percpu_defer_flush, percpu_defer_flush_all,
	percpu_defer_help, percpu_defer_set_enabled, percpu_defer_destroy,
	percpu_defer_map_destroy, percpu_defer_init, percpu_defer_map_init,
	percpu_defer_start};
position p;
@@

sleep@p(...)

// Helpers are those of one file.
@script:python@
p << sleeps.p;
@@

if p[0].file != current:
    current = p[0].file
    sleepers.clear()
    sleepers.update(LIBRARY)

// To switch on does not sleep.
@harmless@
symbol true;
position p;
@@

percpu_defer_set_enabled@p(..., true)

// Who drops a lock first may be called with it.
@helper depends on sleeps exists@
identifier fn, unlock =~ "_unlock";
identifier sleep : script:python() { sleep in sleepers };
position p1, p2 != harmless.p;
@@

fn@p1(...)
{
	... when != unlock(...)
	sleep@p2(...)
	... when any
}

@script:python@
fn << helper.fn;
@@

sleepers.add(fn)

@locked depends on sleeps exists@
identifier lock = {spin_lock, spin_lock_bh, spin_lock_irq, spin_lock_irqsave,
	spin_lock_nested, raw_spin_lock, raw_spin_lock_bh, raw_spin_lock_irq,
	raw_spin_lock_irqsave, read_lock, read_lock_bh, read_lock_irq,
	read_lock_irqsave, write_lock, write_lock_bh, write_lock_irq,
	write_lock_irqsave, xa_lock, xa_lock_bh, xa_lock_irq, xa_lock_irqsave,
	xas_lock, xas_lock_bh, xas_lock_irq, xas_lock_irqsave};
identifier unlock =~ "_unlock";
expression E;
identifier sleep : script:python() { sleep in sleepers };
position p1, p2 != harmless.p;
@@

lock@p1(E, ...)
... when != unlock(E, ...)
    when any
sleep@p2(...)

@disabled depends on sleeps exists@
identifier lock = {rcu_read_lock, rcu_read_lock_bh, rcu_read_lock_sched,
	preempt_disable, local_irq_disable, local_irq_save, local_bh_disable,
	get_cpu, get_cpu_ptr, get_cpu_var};
identifier unlock = {rcu_read_unlock, rcu_read_unlock_bh,
	rcu_read_unlock_sched, preempt_enable, local_irq_enable,
	local_irq_restore, local_bh_enable, put_cpu, put_cpu_ptr, put_cpu_var};
identifier sleep : script:python() { sleep in sleepers };
position p1, p2 != harmless.p;
@@

lock@p1(...)
... when != unlock(...)
    when any
sleep@p2(...)

// A guard ends with the innermost block that it is in.
@block depends on sleeps exists@
identifier class = {spinlock, spinlock_bh, spinlock_irq, spinlock_irqsave,
	raw_spinlock, raw_spinlock_bh, raw_spinlock_irq, raw_spinlock_irqsave,
	read_lock, read_lock_irq, read_lock_irqsave, write_lock,
	write_lock_irq, write_lock_irqsave, rcu, preempt, irq, irqsave};
symbol guard;
position p1, end;
@@

{
	... when any
	guard(class)@p1(...);
	... when any
}@end

@script:python@
p1 << block.p1;
end << block.end;
@@

note_end(p1[0], end[0])

@guarded exists@
identifier block.class;
identifier sleep : script:python() { sleep in sleepers };
symbol guard;
position block.p1, p2 != harmless.p, end;
@@

{
	... when any
	guard(class)@p1(...);
	... when any
	sleep@p2(...)
	... when any
}@end

@scoped depends on sleeps@
identifier class = {spinlock, spinlock_bh, spinlock_irq, spinlock_irqsave,
	raw_spinlock, raw_spinlock_bh, raw_spinlock_irq, raw_spinlock_irqsave,
	read_lock, read_lock_irq, read_lock_irqsave, write_lock,
	write_lock_irq, write_lock_irqsave, rcu, preempt, irq, irqsave};
iterator name scoped_guard;
identifier sleep : script:python() { sleep in sleepers };
position p1, p2 != harmless.p;
@@

scoped_guard@p1(class, ...) {
	<+...
	sleep@p2(...)
	...+>
}

@handler depends on sleeps@
declarer name DEFINE_TIMER;
identifier fn;
@@

(
 DEFINE_TIMER(..., fn);
|
 \(timer_setup\|hrtimer_setup\|tasklet_setup\|call_rcu\|request_irq\)(...,
	fn, ...)
)

@handled@
identifier handler.fn;
identifier sleep : script:python() { sleep in sleepers };
position p1, p2 != harmless.p;
@@

fn@p1(...)
{
	<+...
	sleep@p2(...)
	...+>
}

@script:python@
p1 << locked.p1;
p2 << locked.p2;
@@

find(p2[0], "may sleep, in atomic context since line %s" % p1[0].line)

@script:python@
p1 << disabled.p1;
p2 << disabled.p2;
@@

find(p2[0], "may sleep, in atomic context since line %s" % p1[0].line)

@script:python@
p1 << scoped.p1;
p2 << scoped.p2;
@@

find(p2[0], "may sleep, in atomic context since line %s" % p1[0].line)

@script:python@
p1 << block.p1;
p2 << guarded.p2;
end << guarded.end;
@@

if is_end(p1[0], end[0]):
    find(p2[0], "may sleep, in atomic context since line %s" % p1[0].line)

@script:python@
p1 << handled.p1;
p2 << handled.p2;
@@

find(p2[0], "may sleep, but the function of line %s is called in atomic context" %
     p1[0].line)

@found depends on sleeps@
identifier fn;
position p : script:python() { bool(finding(p[0])) };
@@

fn@p(...)

@depends on context@
identifier fn;
position found.p;
@@

* fn@p(...)

@script:python depends on org@
p << found.p;
@@

coccilib.org.print_todo(p[0], finding(p[0]))

@script:python depends on report@
p << found.p;
@@

coccilib.report.print_report(p[0], "ERROR: " + finding(p[0]))
