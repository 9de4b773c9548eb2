# SPDX-License-Identifier: GPL-2.0
"""Parse the output of a guest: KTAP sections and the tests in them."""

import io
import re
import sys
import typing


class Result(typing.NamedTuple):
    """A single test, or a section as a whole."""
    name: str       # "section:test", with parameters "section:test/parameter"
    status: str     # "passed", "failed" or "skipped"
    why: str = ""


class Section(typing.NamedTuple):
    name: str
    lines: list
    code: int       # exit code, -1 if the guest died first


def sections(lines):
    """Return the sections between BEGIN and END."""
    name, ktap = None, []
    for line in lines:
        if line.startswith("BEGIN "):
            if name:
                yield Section(name, ktap, -1)
            name, ktap = line.split()[1], []
        elif line.startswith("END ") and name:
            yield Section(name, ktap, int(line.split()[1]))
            name = None
        else:
            ktap.append(line)
    if name:
        yield Section(name, ktap, -1)


def parse(tree, lines):
    """Parse the tests with the kernel's own parser; return their tree."""
    where = str(tree / "tools/testing/kunit")
    if where not in sys.path:
        sys.path.insert(0, where)
    import kunit_parser     # pylint: disable=import-outside-toplevel,import-error
    import kunit_printer    # pylint: disable=import-outside-toplevel,import-error
    silent = kunit_printer.Printer(output=io.StringIO())
    # The parser of Linux 6.12 prints to a global and rejects a test without a name.
    # kselftest.h prints the name of a skipped test after the directive.
    takes_printer = not hasattr(kunit_parser, "stdout")
    if not takes_printer:
        kunit_parser.stdout = silent
    named = [re.sub(r"^(\s*ok \d+) # SKIP ?(.*)", name_skipped, line) for line in lines]
    return kunit_parser.parse_run_tests(named, *([silent] if takes_printer else []))


def name_skipped(match):
    name = match[2].replace("#", "").strip()
    return f"{match[1]} - {name} # SKIP {name}"


STATUS = {"SUCCESS": "passed", "SKIPPED": "skipped"}
SAID = 8        # number of log lines reported with a failed test


def leaves(test, path):
    if test.subtests:
        for one in test.subtests:
            yield from leaves(one, [*path, one.name.strip() or "(missing)"])
    else:
        status = STATUS.get(test.status.name, "failed")
        said = [line.strip() for line in test.log[-SAID:]] if status == "failed" else []
        yield "/".join(path), status, "\n    ".join(["failed", *said] if said else [])


def results(tree, section):
    """Return all tests of a section, plus a failed one if the whole section is bad."""
    if plan := re.search(r"^1\.\.0 # SKIP ?(.*)", "\n".join(section.lines), re.M):
        return [Result(section.name, "skipped", plan[1])]
    root = parse(tree, section.lines)
    found = []
    for suite in root.subtests:
        same = suite.subtests and suite.name == section.name
        found += [Result(f"{section.name}:{name}", status, why) for name, status, why in
                  leaves(suite, [] if same else [suite.name.strip() or "(missing)"])]
    failed = sum(one.status == "failed" for one in found)
    counts = root.counts
    if not found:
        found.append(Result(section.name, "failed", "printed no result"))
    elif counts.errors:
        found.append(Result(section.name, "failed", f"{counts.errors} errors in its KTAP"))
    elif not failed and (section.code or counts.failed + counts.crashed):
        found.append(Result(section.name, "failed", f"ended with {section.code}"))
    return found
