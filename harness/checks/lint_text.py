# SPDX-License-Identifier: GPL-2.0
"""Checks that read files without compiling them."""

import concurrent.futures
import fnmatch
import re
import shutil
import subprocess

from checks import lint_common
from checks.lint_common import Finding
from overlay import apply, parts
from shared import BUILD, TOP

# Accepted checkpatch messages: file, type, and a part of the text.
ACCEPTED = (
    # Same layout as the other trace events in include/trace.
    ("include/trace/events/percpu_defer.h", "OPEN_ENDED_LINE", ""),
    ("include/trace/events/percpu_defer.h", "PARENTHESIS_ALIGNMENT", ""),
    # Macros that define variables and functions whose names and types are arguments.
    ("include/linux/percpu_defer.h", "MACRO_ARG_REUSE", "'_name'"),
    ("include/linux/percpu_defer.h", "MACRO_ARG_PRECEDENCE", "'_type'"),
    ("include/linux/percpu_defer.h", "MACRO_WITH_FLOW_CONTROL", ""),
    ("include/linux/percpu_defer.h", "SPACING", "around that '*' (ctx:WxV)"),
    # torture_onoff_stats() continues the line.
    ("lib/percpu_defer_torture.c", "LOGGING_CONTINUATION", ""),
    # call_usermodehelper() takes pointers to non-const.
    ("lib/tests/percpu_defer_kunit.c", "STATIC_CONST_CHAR_ARRAY", ""),
)
# EXTRAVERSION is a variable in the kernel's Makefile, iput() is a function.
WORDS = "extraversion,inflight,iput,nd,nown"


def tracked(*patterns):
    """Return files of the repository, including untracked ones; all files in a tarball."""
    top = TOP
    if (top / ".git").exists():
        paths = parts.git_files(top, "--cached", "--others", "--exclude-standard",
                                "--deduplicate", "--", *patterns)
    else:
        paths = sorted(path.relative_to(top) for path in top.rglob("*"))
        paths = [path for path in paths if path.parts[0] != "build" and
                 any(fnmatch.fnmatch(path, pattern) for pattern in patterns or "*")]
    return [str(path) for path in paths if (top / path).is_file()]


def run(*command, cwd=TOP, expected=(0, 1)):
    """Return the output of a tool; exit code 1 only means that it found something."""
    done = subprocess.run(command, text=True, cwd=cwd, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode not in expected:
        last = (done.stdout.strip().splitlines() or ["no message"])[-1]
        raise OSError(f"{command[0]} failed: {last}")
    return done.stdout


def findings_of(*command, **how):
    """Return one finding per line, whatever its form."""
    output = run(*command, **how)
    found = list(lint_common.parse(output))
    if output.strip() and not found:
        raise OSError(f"{command[0]}: {output.strip()}")
    return found


class Copy:
    """Our C files in a separate directory; fragments for converted files get a C file
    name because tools go by the name."""

    def __init__(self):
        self.top = BUILD / "lint/own"
        self.name_of = {}
        shutil.rmtree(self.top, ignore_errors=True)
        for path in apply.overlay():
            if path.suffix in (".c", ".h", ".inc"):
                name = str(path).removesuffix(".inc")
                self.name_of[name] = str(path)
                (self.top / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(TOP / path, self.top / name)

    def original(self, found):
        name = found.path.removeprefix(f"{self.top}/")
        return found._replace(path=self.name_of.get(name, name))


def reports(cocci):
    """Return whether a semantic patch is usable: it needs a report mode, and no OCaml,
    which would require a compiler for it."""
    return re.search(r"^virtual\b.*\breport\b", cocci, re.M) and ":ocaml" not in cocci


def coccicheck(work):
    tree, copy = work.patched(), Copy()
    scripts = [path for path in sorted(tree.glob("scripts/coccinelle/**/*.cocci"))
               if reports(path.read_text())]

    def check(path):
        return run("make", "-s", "-C", tree, "coccicheck", "MODE=report", "J=1",
                   f"M={copy.top}", f"COCCI={path}", expected=(0,))
    with concurrent.futures.ThreadPoolExecutor(lint_common.CPUS) as pool:
        outputs = list(pool.map(check, scripts))
    return [copy.original(one) for output in outputs
            for one in lint_common.parse(output) if one.path != "make"]


def accepted(one):
    """Return whether this checkpatch message is accepted."""
    return any(one.path == path and f":{kind}:" in one.text and part in one.text
               for path, kind, part in ACCEPTED)


def checkpatch(work):
    copy = Copy()
    output = run(work.patched() / "scripts/checkpatch.pl", f"--root={work.patched()}",
                 "--strict", "--terse", "--show-types", "--no-summary", "-f",
                 *copy.name_of, cwd=copy.top)
    found = map(copy.original, lint_common.parse(output))
    return [one for one in found if not accepted(one)]


def kernel_doc(work):
    names = [str(path) for path in apply.overlay()
             if path.suffix in (".c", ".h", ".inc")
             and "\n/**\n" in (TOP / path).read_text()]
    output = run(work.patched() / "scripts/kernel-doc", "-none", "-Wall", *names,
                 expected=range(256))
    # "Warning: lib/percpu_defer.c:12 text", possibly with a second line.
    found = [Finding(path, int(line), text) for path, line, text in
             re.findall(r"^(?:Warning|Error): ([^\s:]+):(\d+):? (.*)", output, re.M)]
    if output.strip() and not found:
        raise OSError(f"kernel-doc: {output.strip()}")
    return found


def shellcheck(_work):
    return findings_of("shellcheck", "-f", "gcc",
                       *tracked("*.sh", "harness/guest/init", ".ci/run"))


def pyflakes(_work):
    return findings_of("pyflakes3", *tracked("*.py"))


def codespell(_work):
    return findings_of("codespell", "-L", WORDS, *tracked(), expected=(0, 65))
