# SPDX-License-Identifier: GPL-2.0
"""Distinguish data races of the overlay from those of the unmodified kernel.

Under strict KCSAN rules the unmodified kernel has many. A race belongs to the overlay if
either access is on a line that the overlay added or changed. The innermost frame decides,
including every function inlined into it. If that frame is in a shared helper (lib/,
include/), the next frame also counts.
"""

import difflib
import functools
import pathlib
import re
import subprocess
import typing
import weakref

from overlay import apply
from shared import Error

STAMP_LINE = re.compile(r"^\[[^\]]*\](?:\[[^\]]*\])? ?")
ACCESS = re.compile(r"(?:read|write|assert no )\S*.* to 0x[0-9a-f]+ of \d+ bytes by .*:$")
FRAME = re.compile(r"^ +(?:\+-> reordered to: )?"
                   r"([\w.$]+)\+0x([0-9a-f]+)/0x([0-9a-f]+)(?: \[([\w-]+)\])?$")
HELPERS = re.compile(r"(?:^|/)(?:lib|include|arch/\w+/(?:lib|include))/")


class Frame(typing.NamedTuple):
    symbol: str
    offset: int
    size: int
    module: str     # '' for the kernel itself

    def __str__(self):
        return f"{self.symbol}+{self.offset:#x}/{self.size:#x}"


def accesses(report):
    """Return the frames of each access of a report, innermost first."""
    found, frames = [], None
    for line in report:
        text = STAMP_LINE.sub("", line).rstrip()
        if ACCESS.search(text):
            frames = []
            found.append(frames)
        elif frames is not None and (match := FRAME.match(text)):
            frames.append(Frame(match[1], int(match[2], 16), int(match[3], 16),
                                match[4] or ""))
        elif text.strip() in ("", "|"):
            # Verbose reports continue with locks after an empty line.
            frames = None if not text.strip() else frames
    return found


def changed_lines(old, new):
    """Return the numbers of the lines of `new` that differ from `old`."""
    match = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), False)
    return {number for tag, _i1, _i2, first, last in match.get_opcodes()
            if tag in ("replace", "insert") for number in range(first + 1, last + 1)}


class Overlay:
    """Lines of a patched tree that the overlay added or changed."""

    def __init__(self, pristine, tree):
        self.pristine, self.tree = pathlib.Path(pristine), pathlib.Path(tree)
        stamp = (self.tree / apply.STAMP).read_text().splitlines()
        self.files = stamp[1:]

    @functools.cache
    def lines(self, name):
        """Return the line numbers of a file; None if the overlay owns all of it."""
        if not (self.pristine / name).exists():
            return None
        return changed_lines((self.pristine / name).read_text(),
                             (self.tree / name).read_text())

    def has(self, path, number):
        """Return whether the overlay owns a line; compilers vary in how they name files."""
        for name in self.files:
            if path == name or path.endswith(f"/{name}"):
                lines = self.lines(name)
                return lines is None or number in lines
        return False


class Lines:
    """Persistent addr2line process: on a kernel it takes seconds to start."""

    END = "0xdeadbeefdeadbeef"      # address without a function

    def __init__(self, path, section):
        where = ["-j", section] if path.suffix == ".ko" else []
        self.tool = subprocess.Popen(
            ["addr2line", "-a", "-i", "-f", *where, "-e", path], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        weakref.finalize(self, self.finish, self.tool)

    @staticmethod
    def finish(tool):
        tool.communicate()

    def of(self, address):
        """Return all output for an address: functions, and file:line of each."""
        self.tool.stdin.write(f"{address:#x}\n{self.END}\n")
        self.tool.stdin.flush()
        text = ""
        for line in self.tool.stdout:
            if line.strip() == self.END:
                self.tool.stdout.readline()
                self.tool.stdout.readline()
                break
            text += line
        return text


class Symbols:
    """Addresses of functions in an object file, and their source lines."""

    def __init__(self, path):
        self.path = path

    @functools.cache
    def lines(self, section):
        return Lines(self.path, section)

    @functools.cached_property
    def table(self):
        """Map (name, size) to (address, section) of all functions with that name."""
        text = run("nm", "--format=sysv", "--defined-only", self.path)
        table = {}
        for line in text.splitlines():
            fields = [field.strip() for field in line.split("|")]
            if len(fields) == 7 and fields[4] and fields[2] in "tTwW":
                table.setdefault(fields[0], []).append(
                    (int(fields[1], 16), int(fields[4], 16), fields[6]))
        return table

    def places(self, frame):
        """Return the possible places of a frame: static functions may share a name.

        The kernel counts the padding after a function as part of it, so its sizes
        differ from those in the object file.
        """
        places = [one for one in self.table.get(frame.symbol, [])
                  if frame.offset <= one[1] <= frame.size]
        if not places:
            raise Error(f"{self.path}: has no {frame}; build the kernel that "
                        "ran, or give the module that was loaded")
        # A return address is the one after the call.
        return [(address + max(frame.offset - 1, 0), section)
                for address, _size, section in places]

    @functools.cache
    def chain(self, frame):
        """Return (file, line) of the function and everything inlined there."""
        found = []
        for address, section in self.places(frame):
            section = section if self.path.suffix == ".ko" else ""
            text = self.lines(section).of(address)
            lines = re.findall(r"^(.+):(\d+|\?)(?: \(discriminator \d+\))?$", text, re.M)
            if not lines or any("?" in line or path == "??" for path, line in lines):
                raise Error(
                    f"{self.path}: no source line of {frame}; build it with "
                    "CONFIG_DEBUG_INFO_DWARF5=y, see harness/config/kcsan.config")
            found += [(path, int(line)) for path, line in lines]
        return found


def run(*command):
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Error(f"{command[0]}: {last}; is binutils installed, and the "
                    "kernel built?")
    return done.stdout


class Races:
    """Classifier for KCSAN reports; resolves addresses in the build directory of the kernel."""

    def __init__(self, out, pristine, tree):
        self.out = pathlib.Path(out)
        self.overlay = Overlay(pristine, tree)

    @functools.cache
    def symbols(self, module):
        if not module:
            return Symbols(self.out / "vmlinux")
        name = re.compile(re.sub("[-_]", "[-_]", module) + r"\.ko$")
        for path in sorted(self.out.rglob("*.ko")):
            if name.match(path.name):
                return Symbols(path)
        raise Error(f"{self.out}: has no module {module}; build the kernel "
                    "that ran")

    def is_ours(self, frames):
        """Return whether an access is on a line of the overlay, judging by its frames."""
        for frame in frames:
            chain = self.symbols(frame.module).chain(frame)
            if any(self.overlay.has(path, line) for path, line in chain):
                return True
            if not HELPERS.search(self.relative(chain[-1][0])):
                return False
        return False

    def relative(self, path):
        return path.removeprefix(f"{self.overlay.tree}/")

    def is_foreign(self, report):
        """Return whether no access is on a line of the overlay; False without frames."""
        found = accesses(report)
        if not found or not all(found):
            return False
        return not any(self.is_ours(frames) for frames in found)
