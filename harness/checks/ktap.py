# SPDX-License-Identifier: GPL-2.0
"""Parse the output of a guest: KTAP sections and the tests in them."""

import io
import re
import sys
import typing


class Result(typing.NamedTuple):
    """Result of a test, or of a section as a whole."""
    name: str       # "section:test", with parameters "section:test/parameter"
    status: str     # "passed", "failed" or "skipped"
    why: str = ""


class Section(typing.NamedTuple):
    name: str
    lines: list
    code: int       # exit code, -1 if the guest died first


def sections(lines):
    """Yield the sections between BEGIN and END; without END, up to the next BEGIN."""
    for found in re.finditer(r"^BEGIN (\S+)\n(.*?)(?:^END (\d+)$|(?=^BEGIN )|\Z)",
                             "".join(f"{line}\n" for line in lines), re.M | re.S):
        yield Section(found[1], found[2].split("\n")[:-1], int(found[3] or -1))


def parse(tree, lines):
    """Parse KTAP lines with the kernel's own parser; return the tree of tests."""
    where = str(tree / "tools/testing/kunit")
    if where not in sys.path:
        sys.path.insert(0, where)
    import kunit_parser     # pylint: disable=import-outside-toplevel,import-error
    import kunit_printer    # pylint: disable=import-outside-toplevel,import-error
    silent = kunit_printer.Printer(output=io.StringIO())
    # The parser of Linux 6.12 prints to a global object, and rejects a test without a name.
    # kselftest.h prints the name of a skipped test after the directive.
    named = [re.sub(r"^(\s*ok \d+) # SKIP[ #]*([^#]*)", r"\1 - \2 # SKIP \2", line)
             for line in lines]
    if hasattr(kunit_parser, "stdout"):
        kunit_parser.stdout = silent
        return kunit_parser.parse_run_tests(named)
    return kunit_parser.parse_run_tests(named, silent)


STATUS = {"SUCCESS": "passed", "SKIPPED": "skipped"}


def leaves(test, path=""):
    """Yield (path, status) of the tests without subtests."""
    for one in test.subtests:
        name = f"{path}{one.name.strip() or '(missing)'}"
        if one.subtests:
            yield from leaves(one, f"{name}/")
        else:
            yield name, STATUS.get(one.status.name, "failed")


def results(tree, section):
    """Return the results of all tests of a section, plus one if the section itself failed."""
    if plan := re.search(r"^1\.\.0 # SKIP ?(.*)", "\n".join(section.lines), re.M):
        return [Result(section.name, "skipped", plan[1])]
    root = parse(tree, section.lines)
    # A KUnit suite has the name of its section.
    found = [Result(f"{section.name}:{name.removeprefix(f'{section.name}/')}", status)
             for name, status in leaves(root)]
    failed = sum(one.status == "failed" for one in found)
    counts = root.counts
    if not found:
        found.append(Result(section.name, "failed", "printed no result"))
    elif counts.errors:
        found.append(Result(section.name, "failed", f"{counts.errors} errors in its KTAP"))
    elif not failed and (section.code or counts.failed + counts.crashed):
        found.append(Result(section.name, "failed", f"ended with {section.code}"))
    return found
