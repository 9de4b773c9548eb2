# SPDX-License-Identifier: GPL-2.0
"""Distinguish data races of the overlay from those of the unmodified kernel.

Under strict KCSAN rules, the unmodified kernel has many races. A race belongs to the overlay
if either access is on a line that the overlay added or changed. The innermost frame decides,
including every function inlined into it. If that frame is in a shared helper (lib/,
include/), the next frame also counts.
"""

import difflib
import functools
import pathlib
import re

from overlay import apply
from shared import Error, run

STAMP_LINE = re.compile(r"^\[[^\]]*\](?:\[[^\]]*\])? ?")
ACCESS = re.compile(r"(?:read|write|assert no )\S*.* to 0x[0-9a-f]+ of \d+ bytes by .*:$")
FRAME = re.compile(r"^ +(?:\+-> reordered to: )?"
                   r"([\w.$]+)\+0x([0-9a-f]+)/0x([0-9a-f]+)(?: \[([\w-]+)\])?$")
LINE = re.compile(r" at ([^?\n]+):(\d+)(?: \(discriminator \d+\))?$", re.M)
HELPERS = re.compile(r"(?:^|/)(?:lib|include|arch/\w+/(?:lib|include))/")


def accesses(report):
    """Return the frames of each access of a report, innermost first.

    A frame is (symbol, offset, size, module); the module is '' for the kernel itself.
    """
    found, inside = [], False
    for line in report:
        text = STAMP_LINE.sub("", line).rstrip()
        if ACCESS.search(text):
            found.append([])
            inside = True
        elif not text:
            # In verbose reports, held locks follow after an empty line.
            inside = False
        elif inside and (match := FRAME.match(text)):
            found[-1].append((match[1], int(match[2], 16), int(match[3], 16), match[4] or ""))
    return found


def source_lines(path, address, section):
    """Return [(file, line)] of an address, innermost inlined function first; fail if unknown."""
    # The addresses of a module start from 0 in each section.
    where = ["-j", section] if path.suffix == ".ko" else []
    text = run("addr2line", "-f", "-i", "-p", *where, "-e", path, f"{address:#x}")
    lines = LINE.findall(text)
    if not lines or len(lines) != len(text.splitlines()):
        raise Error(f"{path}: no source line of {address:#x}; build it with "
                    "CONFIG_DEBUG_INFO_DWARF5=y, see harness/config/kcsan.config")
    return [(name, int(line)) for name, line in lines]


class Races:
    """Classifier of KCSAN reports, which resolves addresses in the kernel's build directory."""

    def __init__(self, out, pristine, tree):
        self.out, self.pristine, self.tree = map(pathlib.Path, (out, pristine, tree))
        self.files = (self.tree / apply.STAMP).read_text().splitlines()[1:]

    @functools.cache
    def lines(self, name):
        """Return the numbers of the lines in a file that the overlay added or changed."""
        old = self.pristine / name
        match = difflib.SequenceMatcher(None, old.read_text().splitlines() if old.exists() else [],
                                        (self.tree / name).read_text().splitlines(), False)
        return {number for tag, _i1, _i2, first, last in match.get_opcodes()
                if tag in ("replace", "insert") for number in range(first + 1, last + 1)}

    def owns(self, path, number):
        """Return whether the overlay owns a line; accept absolute and relative paths."""
        for name in self.files:
            if path == name or path.endswith(f"/{name}"):
                return number in self.lines(name)
        return False

    @functools.cached_property
    def objects(self):
        """Map the names of modules to their files; '' is the kernel itself."""
        found = {path.stem.replace("-", "_"): path for path in self.out.rglob("*.ko")}
        return found | {"": self.out / "vmlinux"}

    @functools.cache
    def functions(self, path):
        """Return {name: [(address, size, section)]} of the functions in an object file."""
        table = {}
        text = run("nm", "--format=sysv", "--defined-only", path)
        for line in text.splitlines():
            fields = [field.strip() for field in line.split("|")]
            if len(fields) == 7 and fields[4] and fields[2] in "tTwW":
                table.setdefault(fields[0], []).append(
                    (int(fields[1], 16), int(fields[4], 16), fields[6]))
        return table

    @functools.cache
    def chain(self, frame):
        """Return the source lines of a frame; static functions may share a name.

        Sizes from the kernel may exceed those in the object file, because the kernel
        counts the padding after a function as part of the function.
        """
        symbol, offset, size, module = frame
        if not (path := self.objects.get(module)):
            raise Error(f"{self.out}: no module {module}; build the kernel that ran")
        places = [(address, section)
                  for address, least, section in self.functions(path).get(symbol, [])
                  if offset <= least <= size]
        if not places:
            raise Error(f"{path}: no {symbol} with this offset and size; build the kernel "
                        "that ran, or give the module that was loaded")
        # A return address follows the call instruction.
        return [line for address, section in places
                for line in source_lines(path, address + max(offset - 1, 0), section)]

    def is_ours(self, frames):
        """Return whether an access is on a line of the overlay, judging by its frames."""
        for frame in frames:
            chain = self.chain(frame)
            if any(self.owns(path, line) for path, line in chain):
                return True
            if not HELPERS.search(chain[-1][0].removeprefix(f"{self.tree}/")):
                return False
        return False

    def is_foreign(self, report):
        """Return whether no access is on a line of the overlay; False if one has no frames."""
        found = accesses(report)
        return bool(found) and all(found) and not any(map(self.is_ours, found))
