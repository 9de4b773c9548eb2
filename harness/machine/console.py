# SPDX-License-Identifier: GPL-2.0
"""Check the console output of a kernel.

A line that no healthy kernel prints is a complaint, unless the caller expects it in the
current section of the guest's tests. Expected lines are named by kind, see EXPECTABLE. A
section begins with a line "pd_section: <name>", which test.sh writes to /dev/kmsg.
"""

import re

# Lines that no healthy kernel prints.
COMPLAINTS = re.compile(
    r"BUG: |WARNING: |INFO: possible |INFO: task |INFO: rcu|rcu: INFO:|KASAN:"
    r"|UBSAN:|Kernel panic|Oops|general protection|Unable to handle"
    r"|soft lockup|hard LOCKUP|suspicious RCU|inconsistent lock state"
    r"|-torture:.*!!!|End of test: (?!SUCCESS)"
    r"|Call [Tt]race:|DEBUG_LOCKS_WARN_ON|stack-protector|slab.* (?:corrupt|Poison)"
    # kmemleak: leaks, and kmemleak disabled itself.
    r"|kmemleak: \d|kmemleak: Cannot allocate a kmemleak_object"
    r"|Kernel memory leak detector disabled"
    # zsmalloc: pool destroyed while it contains objects.
    r"|Class-\d+ fullness group \d+ is not empty"
    # Swap: invalid entries; failed reads and writes.
    r"|(?:Bad|Unused) swap (?:file|offset) entry|unrecognized swap entry"
    r"|(?:Read|Write)-error on swap-device|Write error -?\d+ on dio swapfile"
    # Block devices and file systems.
    r"| error, dev \w+, sector|Buffer I/O error on dev|EXT[24]-fs.*error"
    # Corrupted contents.
    r"|Decompression error from zswap|zram: (?:Dec|C)ompression failed")

# Planted leaks come from the kernel's own sample. The test checks
# /sys/kernel/debug/kmemleak before it plants them, so they hide no other leak.
EXPECTABLE = {
    "planted leak": re.compile(r"kmemleak: \d+ new suspected memory leaks"),
    # Stack of a task that hits its limit. An actual fault prints more than a stack.
    "OOM kill": re.compile(r"Call Trace:"),
}

SECTION = re.compile(r"pd_section: (\S+)")
RACE = "BUG: KCSAN: "
RACE_END = re.compile(r"={60,}$")


def race_report(lines, first):
    """Return the lines of a report, without the ruler that ends a complete one."""
    for last in range(first + 1, len(lines)):
        if RACE_END.search(lines[last]) or RACE in lines[last]:
            return lines[first:last]
    return lines[first:]


def complaints(lines, expected=None, is_foreign_race=None):
    """Yield the numbers of all lines that are complaints.

    expected: {section: names of EXPECTABLE}. is_foreign_race: returns whether a reported
    race exists in the unmodified kernel; without it, all races are complaints.
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
