# SPDX-License-Identifier: GPL-2.0
"""Judge the console of a kernel.

A line that no healthy kernel prints is a complaint, unless it is of a kind that the
caller expects, by name (see EXPECTABLE), in the section of the guest's tests that
causes it. A section begins with a line "pd_section: <name>", which test.sh writes to
/dev/kmsg.
"""

import re
import typing


class Complaint(typing.NamedTuple):
    first: int      # where it begins in the lines
    text: str


# Lines that no healthy kernel prints.
COMPLAINTS = re.compile(
    r"BUG: |WARNING: |INFO: possible |INFO: task |INFO: rcu|rcu: INFO:|KASAN:"
    r"|UBSAN:|Kernel panic|Oops|general protection|Unable to handle"
    r"|soft lockup|hard LOCKUP|suspicious RCU|inconsistent lock state"
    r"|-torture:.*!!!|End of test: (?!SUCCESS)"
    r"|Call [Tt]race:|DEBUG_LOCKS_WARN_ON|stack-protector|slab.* (?:corrupt|Poison)"
    # kmemleak: leaks, and that it has given up.
    r"|kmemleak: \d|kmemleak: Cannot allocate a kmemleak_object"
    r"|Kernel memory leak detector disabled"
    # zsmalloc: a pool is destroyed with objects in it.
    r"|Class-\d+ fullness group \d+ is not empty"
    # Swap: entries that are none; reads and writes that fail.
    r"|(?:Bad|Unused) swap (?:file|offset) entry|unrecognized swap entry"
    r"|(?:Read|Write)-error on swap-device|Write error -?\d+ on dio swapfile"
    # Devices and file systems on them.
    r"| error, dev \w+, sector|Buffer I/O error on dev|EXT[24]-fs.*error"
    # Contents that are damaged.
    r"|Decompression error from zswap|zram: (?:Dec|C)ompression failed")

# Planted leaks are those of the kernel's own sample. The test that plants them looks at
# /sys/kernel/debug/kmemleak before it does, so no other leak hides behind them.
EXPECTABLE = {
    "planted leak": re.compile(r"kmemleak: \d+ new suspected memory leaks"),
    "swap write error": re.compile(r"Write-error on swap-device"),
    "swap read error": re.compile(r"Read-error on swap-device"),
    # The stack of a task that meets its limit. A fault prints more than its stack.
    "OOM kill": re.compile(r"Call Trace:"),
    "device error": re.compile(r" error, dev \w+, sector|Buffer I/O error on dev"),
}

SECTION = re.compile(r"pd_section: (\S+)")
RACE = "BUG: KCSAN: "
RACE_END = re.compile(r"={60,}$")


def race_report(lines, first):
    """The lines of a report, without the ruler that ends it, if it has an end."""
    for last in range(first + 1, len(lines)):
        if RACE_END.search(lines[last]) or RACE in lines[last]:
            return lines[first:last]
    return lines[first:]


def complaints(lines, expected=None, is_foreign_race=None):
    """All complaints.

    expected: {section: names of EXPECTABLE}. is_foreign_race: says of the report of a
    race whether the unmodified kernel has it; without it all races are complaints.
    """
    expected = expected or {}
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
        elif is_expected(line, section, expected):
            continue
        yield Complaint(number, line.strip())


def is_expected(line, section, expected):
    """Is it of a kind that this section may print?"""
    return any(EXPECTABLE[name].search(line) for name in expected.get(section, ()))
