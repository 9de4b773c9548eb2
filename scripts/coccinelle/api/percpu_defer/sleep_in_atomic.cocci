// SPDX-License-Identifier: GPL-2.0
/// Functions of percpu_defer that may sleep must not be called under a spinlock.
//# The patch finds only calls in the function that takes the lock.
///
// Confidence: Moderate
// Options: --no-includes --include-headers
// Keywords: percpu_defer_flush, percpu_defer_destroy

virtual context
virtual org
virtual report

@atomic exists@
identifier lock = {spin_lock, spin_lock_bh, spin_lock_irq, spin_lock_irqsave, xa_lock};
identifier unlock = {spin_unlock, spin_unlock_bh, spin_unlock_irq, spin_unlock_irqrestore,
	xa_unlock};
identifier wait = {percpu_defer_flush, percpu_defer_reclaim, percpu_defer_drain_some,
	percpu_defer_set_enabled, percpu_defer_init, percpu_defer_map_init,
	percpu_defer_destroy, percpu_defer_map_destroy};
expression E;
position p;
@@

 lock(E, ...)
 ... when != unlock(E, ...)
 wait@p(...)

@depends on context@
identifier wait;
position atomic.p;
@@

* wait@p(...)

@script:python depends on org@
p << atomic.p;
wait << atomic.wait;
@@

coccilib.org.print_todo(p[0], "%s() under a spinlock" % wait)

@script:python depends on report@
p << atomic.p;
wait << atomic.wait;
@@

coccilib.report.print_report(p[0], "ERROR: %s() under a spinlock" % wait)
