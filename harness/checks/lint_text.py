# SPDX-License-Identifier: GPL-2.0
"""Checks that read files without compiling them."""

import concurrent.futures
import re
import shutil
import subprocess

from checks import lint_common
from overlay import apply, parts
from shared import BUILD, TOP, Error

# Accepted checkpatch messages, by file and type.
ACCEPTED = {
    # Same layout as the other trace events in include/trace.
    ("include/trace/events/percpu_defer.h", "OPEN_ENDED_LINE"),
    ("include/trace/events/percpu_defer.h", "PARENTHESIS_ALIGNMENT"),
    # torture_onoff_stats() continues the line.
    ("lib/percpu_defer_torture.c", "LOGGING_CONTINUATION"),
    # call_usermodehelper() takes pointers to non-const.
    ("lib/tests/percpu_defer_kunit.c", "STATIC_CONST_CHAR_ARRAY"),
}
# Words that codespell must accept, such as EXTRAVERSION and iput() from the kernel.
WORDS = "extraversion,inflight,iput,nd,nown"
COPIES = BUILD / "lint/own"
# "Warning: lib/percpu_defer.c:12 text"; a second line may follow.
KERNEL_DOC = re.compile(r"(?:Warning|Error): ([^\s:]+):(\d+):? (.*)")


def tracked(*patterns):
    """Return the files that git tracks or would add; with patterns, only those that match."""
    paths = parts.git_files(TOP, "--cached", "--others", "--exclude-standard",
                            "--deduplicate", "--", *patterns)
    return [path for path in paths if (TOP / path).is_file()]


def run(*command, cwd=TOP, expected=(0, 1)):
    """Run a tool; return its output. Fail on an unexpected exit code; 1 means findings."""
    done = subprocess.run(command, text=True, cwd=cwd, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode not in expected:
        raise Error(f"{command[0]} failed: {done.stdout.strip()[-300:]}")
    return done.stdout


def findings_of(*command, form=lint_common.LINE, **how):
    """Run a tool; return a finding per line. Fail if no line of the output has this form."""
    output = run(*command, **how)
    found = lint_common.parse(output, form)
    if output.strip() and not found:
        raise Error(f"{command[0]}: {output.strip()}")
    return found


def own_c():
    """Return our C files, headers, and C fragments (.inc) for converted files."""
    return [path for path in apply.overlay() if path.suffix in (".c", ".h", ".inc")]


def copy_own_c():
    """Copy our C files, and fragments as C files; return {name: path of the original}."""
    shutil.rmtree(COPIES, ignore_errors=True)
    originals = {str(path).removesuffix(".inc"): path for path in own_c()}
    for name, path in originals.items():
        (COPIES / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / path, COPIES / name)
    return originals


def original(one, originals):
    """Return the finding with the path of the original instead of the copy."""
    name = one.path.removeprefix(f"{COPIES}/")
    return one._replace(path=str(originals.get(name, name)))


def coccicheck(trees):
    """Run the kernel's semantic patches that have a report mode and need no OCaml."""
    originals = copy_own_c()
    scripts = [path for path in sorted(trees.patched.glob("scripts/coccinelle/**/*.cocci"))
               if re.search(r"^virtual\b.*\breport\b", path.read_text(), re.M)
               and ":ocaml" not in path.read_text()]

    def check(path):
        return run("make", "-s", "-C", trees.patched, "coccicheck", "MODE=report", "J=1",
                   f"M={COPIES}", f"COCCI={path}", expected=(0,))
    with concurrent.futures.ThreadPoolExecutor(lint_common.CPUS) as pool:
        output = "\n".join(pool.map(check, scripts))
    return [original(one, originals) for one in lint_common.parse(output)
            if one.path != "make"]


def checkpatch(trees):
    originals = copy_own_c()
    output = run(trees.patched / "scripts/checkpatch.pl", f"--root={trees.patched}",
                 "--strict", "--terse", "--show-types", "--no-summary", "-f",
                 *originals, cwd=COPIES)
    found = [original(one, originals) for one in lint_common.parse(output)]
    return [one for one in found if (one.path, *one.text.split(":")[1:2]) not in ACCEPTED]


def kernel_doc(trees):
    names = [path for path in own_c() if "\n/**\n" in (TOP / path).read_text()]
    return findings_of(trees.patched / "scripts/kernel-doc", "-none", "-Wall",
                       *names, form=KERNEL_DOC, expected=range(256))


def shellcheck(_trees):
    return findings_of("shellcheck", "-f", "gcc",
                       *tracked("*.sh", "harness/guest/init", ".ci/run"))


def pyflakes(_trees):
    return findings_of("pyflakes3", *tracked("*.py"))


def codespell(_trees):
    return findings_of("codespell", "-L", WORDS, *tracked(), expected=(0, 65))
