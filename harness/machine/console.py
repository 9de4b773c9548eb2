# SPDX-License-Identifier: GPL-2.0
"""Check the console output of a kernel.

A line that no healthy kernel prints is a complaint, unless the caller expects this kind of line,
a key of EXPECTABLE, in the current section of the guest's tests. A section begins with a line
"pd_section: <name>", which the guest writes to /dev/kmsg.
"""

import re

# Lines that no healthy kernel prints.
COMPLAINTS = re.compile(
    r"BUG: |WARNING: |INFO: possible |INFO: task |INFO: rcu|rcu: INFO:|KASAN:"
    r"|UBSAN:|Kernel panic|Oops|general protection|Unable to handle"
    r"|soft lockup|hard LOCKUP|suspicious RCU|inconsistent lock state"
    r"|-torture:.*!!!|End of test: (?!SUCCESS)"
    r"|Call [Tt]race:|DEBUG_LOCKS_WARN_ON|stack-protector|slab.* (?:corrupt|Poison)"
    # kmemleak: leaks; kmemleak has disabled itself.
    r"|kmemleak: \d|kmemleak: Cannot allocate a kmemleak_object"
    r"|Kernel memory leak detector disabled"
    # zsmalloc: destruction of a pool that contains objects.
    r"|Class-\d+ fullness group \d+ is not empty"
    # Swap: invalid entries; failed reads and writes.
    r"|(?:Bad|Unused) swap (?:file|offset) entry|unrecognized swap entry"
    r"|(?:Read|Write)-error on swap-device|Write error -?\d+ on dio swapfile"
    # Block devices and file systems.
    r"| error, dev \w+, sector|Buffer I/O error on dev|EXT[24]-fs.*error"
    # Corrupted contents.
    r"|Decompression error from zswap|zram: (?:Dec|C)ompression failed")

# Lines about leaks from samples/kmemleak. They hide no other leak, because the test reads
# /sys/kernel/debug/kmemleak before it plants them.
EXPECTABLE = {
    "planted leak": re.compile(r"kmemleak: \d+ new suspected memory leaks"),
    # Stack dump of a memcg OOM kill. A fault prints another complaint in addition.
    "OOM kill": re.compile(r"Call Trace:"),
}

SECTION = re.compile(r"pd_section: (\S+)")
RACE = "BUG: KCSAN: "
RACE_END = re.compile(r"={60,}$")


def race_report(lines, first):
    """Return the lines of a race report, without the ruler that ends a complete report."""
    for last in range(first + 1, len(lines)):
        if RACE_END.search(lines[last]) or RACE in lines[last]:
            return lines[first:last]
    return lines[first:]


def complaints(lines, expected=None, is_foreign_race=None):
    """Yield the numbers of all lines that are complaints.

    expected: {section: keys of EXPECTABLE}. is_foreign_race: function that returns whether
    the unmodified kernel has a reported race; without it, all races are complaints.
    """
    section, skip = "", 0
    for number, line in enumerate(lines):
        if found := SECTION.search(line):
            section = found[1]
        if number < skip or not COMPLAINTS.search(line):
            continue
        if RACE in line and is_foreign_race:
            report = race_report(lines, number)
            if is_foreign_race(report):
                skip = number + len(report)
                continue
        elif any(EXPECTABLE[name].search(line) for name in (expected or {}).get(section, ())):
            continue
        yield number
