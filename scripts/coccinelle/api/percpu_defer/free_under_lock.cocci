// SPDX-License-Identifier: GPL-2.0
/// To free many things while a spinlock is held makes others wait for it. A
/// push to percpu_defer takes a dozen instructions.
//# Found are calls, in a loop that is entered with a spinlock held, of functions
//# that free, and of those of the same file that do and whose name says so. A
//# lock that a function drops which is called is not seen. Files that use
//# percpu_defer already are left out.
//# Most of what is found is as well served by a list that is emptied after the
//# unlock, or is too rare to matter.
//# Documentation/core-api/percpu_defer_candidates.rst says what to look at.
///
// Confidence: Low
// Options: --no-includes --include-headers
// Keywords: spin_lock, write_lock, kfree, kmem_cache_free, percpu_defer_push

virtual context
virtual org
virtual report

@initialize:python@
@@

LIBRARY = {"kfree", "kfree_sensitive", "kvfree", "vfree", "kmem_cache_free",
           "mempool_free", "dma_pool_free", "free_percpu", "free_page",
           "free_pages", "__free_page", "__free_pages", "put_page",
           "folio_put", "zs_free", "bio_put", "kfree_skb", "dev_kfree_skb",
           "dev_kfree_skb_any", "consume_skb"}
freers = set(LIBRARY)
current = None

def look_at(file):
    """Helpers are those of one file."""
    global current
    if file != current:
        current = file
        freers.clear()
        freers.update(LIBRARY)

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

def find(place, lock):
    findings[spot_of(place)] = "freed in a loop, under the lock of line %s" % lock.line

def finding(place):
    return findings.get(spot_of(place))

@client@
@@

#include <linux/percpu_defer.h>

@frees depends on !client@
identifier free = {kfree, kfree_sensitive, kvfree, vfree, kmem_cache_free,
	mempool_free, dma_pool_free, free_percpu, free_page, free_pages,
	__free_page, __free_pages, put_page, folio_put, zs_free, bio_put,
	kfree_skb, dev_kfree_skb, dev_kfree_skb_any, consume_skb};
position p;
@@

free@p(...)

@script:python@
p << frees.p;
@@

look_at(p[0].file)

// Who drops a lock first may be called with it.
@helper depends on frees exists@
identifier fn =~ "free|destroy|release|(^|_)put";
identifier unlock =~ "_unlock";
identifier free : script:python() { free in freers };
@@

fn(...)
{
	... when != unlock(...)
	free(...)
	... when any
}

@script:python@
fn << helper.fn;
@@

freers.add(fn)

// A way from a call back to itself is a loop.
@held depends on frees exists@
identifier lock = {spin_lock, spin_lock_bh, spin_lock_irq, spin_lock_irqsave,
	spin_lock_nested, raw_spin_lock, raw_spin_lock_bh, raw_spin_lock_irq,
	raw_spin_lock_irqsave, write_lock, write_lock_bh, write_lock_irq,
	write_lock_irqsave, xa_lock, xa_lock_bh, xa_lock_irq, xa_lock_irqsave,
	xas_lock, xas_lock_bh, xas_lock_irq, xas_lock_irqsave};
identifier unlock =~ "_unlock";
identifier free : script:python() { free in freers };
expression E;
position p1, p2;
@@

lock@p1(E, ...)
... when != unlock(E, ...)
    when any
free@p2(...)
... when != unlock(E, ...)
    when any
free@p2(...)

@scoped depends on frees exists@
identifier class = {spinlock, spinlock_bh, spinlock_irq, spinlock_irqsave,
	raw_spinlock, raw_spinlock_bh, raw_spinlock_irq, raw_spinlock_irqsave,
	write_lock, write_lock_irq, write_lock_irqsave};
iterator name scoped_guard;
identifier free : script:python() { free in freers };
statement S;
position p1, p2;
@@

scoped_guard@p1(class, ...) {
	... when any
	free@p2(...)
	... when any
	    when != scoped_guard(class, ...) S
	free@p2(...)
	... when any
}

// A guard ends with the innermost block that it is in.
@block depends on frees exists@
identifier class = {spinlock, spinlock_bh, spinlock_irq, spinlock_irqsave,
	raw_spinlock, raw_spinlock_bh, raw_spinlock_irq, raw_spinlock_irqsave,
	write_lock, write_lock_irq, write_lock_irqsave};
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
identifier free : script:python() { free in freers };
symbol guard;
position block.p1, p2, end;
@@

{
	... when any
	guard(class)@p1(...);
	... when any
	free@p2(...)
	... when any
	    when != guard(class)(...);
	free@p2(...)
	... when any
}@end

@script:python@
p1 << held.p1;
p2 << held.p2;
@@

find(p2[0], p1[0])

@script:python@
p1 << scoped.p1;
p2 << scoped.p2;
@@

find(p2[0], p1[0])

@script:python@
p1 << block.p1;
p2 << guarded.p2;
end << guarded.end;
@@

if is_end(p1[0], end[0]):
    find(p2[0], p1[0])

@found depends on frees@
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

msg = "WARNING opportunity for percpu_defer: " + finding(p[0])
coccilib.report.print_report(p[0], msg)
