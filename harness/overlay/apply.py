# SPDX-License-Identifier: GPL-2.0
"""Make a kernel tree with percpu_defer from one without.

KSRC is copied, never changed. From this repository,
  <file>             is copied to the same path;
  <file>.c.cocci     is a semantic patch that converts <file>.c, as far as this is useful
                     without deferral; other semantic patches are ordinary files;
  <file>.c.defer.cocci
                     is another semantic patch, applied to the result of the first;
  <file>.edit.toml   lists literal insertions and replacements in <file>; some have
                     a name, for series.toml;
  <name>.inc         is C code; it replaces the #include of it that the semantic patch
                     has inserted.
Each rule and each edit must match the specified number of times (default: once).
Otherwise, nothing is done and all mismatches are listed.

For some kernels, compat_tables.py first adapts the overlay. A kernel that is not in TESTED
requires FORCE: if it has an additional way to fill a slot, data would be lost. The findings
of the checkers in overlay/checkers are printed.

OUT is created, or updated if it was made by us from the same KSRC. Files that do not
change keep their time stamp, so a build redoes little.
For a pristine tree, OUT is a plain copy of KSRC.
"""

import collections
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import typing

from overlay import compat_tables, nearest
from overlay.parts import COCCI, RULE, edit, files_below, how_of, split, strays
from shared import TOP, Error

KERNEL_FILES = ("MAINTAINERS.edit.toml",)
# Top-level directories of a kernel.
KERNEL_DIRS = tuple(map(pathlib.Path, (
    "arch", "block", "certs", "crypto", "Documentation", "drivers", "fs", "include", "init",
    "io_uring", "ipc", "kernel", "lib", "mm", "net", "rust", "samples", "scripts", "security",
    "sound", "tools", "usr", "virt")))
TESTED = ((6, 12), (7, 2), (7, 3))
# Semantic patches that find ways to lose data, and the calls that each checks.
CHECKERS = {"harness/overlay/checkers/zram_filled.cocci": "set_slot_handle|zram_set_handle",
            "harness/overlay/checkers/swap_handed_out.cocci": "swap_range_alloc",
            "scripts/coccinelle/api/percpu_defer/look_before_claim.cocci":
                "percpu_defer_map_claim"}
CHECKED = ("drivers/block/zram/*.c", "mm/*.c")
COPY_MB = 2500
STAMP = ".percpu_defer"     # in OUT: its origin and the files that we touched
COPIED = STAMP + ".copied"  # in OUT: the files of the copy, with sizes and times


def kernel_version(tree):
    """Return the version of a kernel tree, e.g. '7.3.4'; fail if it is unsupported."""
    makefile = tree / "Makefile"
    text = makefile.read_text(errors="replace") if makefile.is_file() else ""
    found = dict(re.findall(
        r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)$", text, re.M))
    if not {"VERSION", "PATCHLEVEL"} <= found.keys() or \
            not (tree / "Kbuild").is_file():
        raise Error(f"{tree} is no kernel tree: give KSRC=<top of a kernel source>")
    version = ".".join(found[k] for k in ("VERSION", "PATCHLEVEL", "SUBLEVEL")
                       if found.get(k))
    if (oldest := TESTED[0]) > (int(found["VERSION"]), int(found["PATCHLEVEL"])):
        raise Error(f"{tree} is Linux {version}, too old: {oldest[0]}.{oldest[1]} or newer "
                    "is needed")
    return version + found.get("EXTRAVERSION", "")


def is_tested(version):
    return tuple(map(int, re.findall(r"\d+", version)[:2])) in TESTED


def overlay():
    """Yield all files of this repository that belong to the overlay.

    Stray files are excluded: they would end up in the kernel and in a patch.
    """
    for name in KERNEL_DIRS:
        yield from (name / path for path in files_below(TOP / name))
    yield from map(pathlib.Path, KERNEL_FILES)


def report_strays():
    """Report on stderr each untracked file that looks like part of the overlay."""
    for name in KERNEL_DIRS:
        for path in strays(TOP / name):
            print(f"{name}/{path}: not tracked, so left out; git add it, or remove it",
                  file=sys.stderr)


def read_overlay(version=""):
    """Return the overlay with contents, {path: bytes}, adapted to this version if given."""
    files = {path: (TOP / path).read_bytes() for path in overlay()}
    return compat_tables.adapt(version, files) if version else files


class Rule(typing.NamedTuple):
    """Rule of a semantic patch, and the number of matches it must have."""
    name: str
    text: str
    wanted: int


def rules_of(path, cocci):
    rules = []
    for name, text in split(path, cocci)[1]:
        wanted = re.search(r"^// matches: (\d+)$", text, re.M)
        rules.append(Rule(name, text[RULE.search(text).start():],
                          int(wanted[1]) if wanted else 1))
    if not rules:
        raise Error(f"{path}: has no named rule")
    return rules


def counting(cocci, rules):
    """Return the semantic patch plus scripts that report each match."""
    for rule in rules:
        cocci += (f"\n@script:python@\np << {rule.name}.p;\n@@\n"
                  f'print("MATCHED {rule.name} %s" % p[0].line)\n')
    return cocci


def run_spatch(cocci, source, result, *options):
    """Return its output; fail with the last line of its errors."""
    run = subprocess.run(["spatch", "--smpl-spacing", *options, "--sp-file", cocci, source,
                          *(["-o", result] if result else ())], capture_output=True, text=True)
    if run.returncode:
        raise Error("spatch failed: " + (run.stderr.strip().splitlines() or ["no message"])[-1])
    return run.stdout


@functools.cache
def convert(path, cocci, text):
    """Run a semantic patch over the text of a file; return the new text, and mismatches."""
    rules = rules_of(path, cocci)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        source, patch, result = tmp / "source.c", tmp / "patch.cocci", tmp / "out"
        source.write_text(text)
        patch.write_text(counting(cocci, rules))
        try:
            said = run_spatch(patch, source, result)
        except Error as error:
            return text, [f"{path}: {error}"]
        matches = collections.defaultdict(list)
        for name, line in sorted(set(re.findall(r"^MATCHED (\w+) (\d+)$", said, re.M))):
            matches[name].append(line)
        problems = []
        for rule in rules:
            lines = matches[rule.name]
            if len(lines) == rule.wanted:
                continue
            problems.append(f"{path}: rule '{rule.name}' matched {len(lines)} times, "
                            f"not {rule.wanted}")
            problems += [f"    line {line}: {text.splitlines()[int(line) - 1].strip()}"
                         for line in lines] or nearest.of_rule(rule.text, text)
        return result.read_text() if result.exists() else text, problems


INCLUDE = re.compile(r'^#include "([^"]+\.inc)"\n+', re.M)


def expand_includes(path, text, files):
    """Replace each #include of an .inc file with its text."""
    def content(match):
        inc = path.parent / match[1]
        if inc not in files:
            raise Error(f"{path}: {match[1]} does not exist")
        lines = files[inc].decode().split("\n")
        if "SPDX" in lines[0]:
            lines = lines[1:]
        return "\n".join(lines).strip("\n") + "\n\n"
    return INCLUDE.sub(content, text)


def edit_file(path, toml, text):
    """Apply the literal edits of a file; return the new text, and mismatches."""
    problems = []
    for number, one in enumerate(tomllib.loads(toml)["edit"], 1):
        try:
            text = edit(f"{path}: edit {number}", one, text)
        except Error as error:
            problems += [str(error), *nearest.of_anchor(one[how_of(one)], text)]
    return text, problems


def change(ksrc, files, suffix, how, text_of):
    """Change each file that has a patch of a kind; return mismatches."""
    problems = []
    for path, content in files.items():
        if not path.name.endswith(suffix):
            continue
        name = pathlib.Path(str(path).removesuffix(suffix.removeprefix(".c")))
        if name not in text_of and name not in files and not (ksrc / name).is_file():
            problems.append(f"{path}: there is no {name}")
            continue
        text = text_of.get(name) or (files.get(name) or (ksrc / name).read_bytes()).decode()
        text_of[name], found = how(path, content.decode(), text)
        problems += found
    return problems


def generate(ksrc, version, files):
    """Return the files that an overlay changes or adds; both are {path: bytes}."""
    def convert_file(path, cocci, text):
        text, problems = convert(path, cocci, text)
        return expand_includes(path, text, files), problems

    text_of = {}
    problems = []
    for suffix in COCCI:
        problems += change(ksrc, files, suffix, convert_file, text_of)
    problems += change(ksrc, files, ".edit.toml", edit_file, text_of)
    result = {path: content for path, content in files.items()
              if not path.name.endswith((*COCCI, ".edit.toml", ".inc"))}
    problems += [f"{path}: the kernel has one of its own" for path in result
                 if (ksrc / path).exists()]
    if problems:
        raise Error("\n".join([
            f"Linux {version} does not fit, nothing was done (HACKING.md says what to do):",
            *problems]))
    return result | {name: text.encode() for name, text in text_of.items()}


def check(ksrc, files):
    """Run the checkers on a patched kernel; return their findings."""
    found = []
    paths = {path for one in CHECKED for path in (
        *(path.relative_to(ksrc) for path in ksrc.glob(one)),
        *(path for path in files if path.match(one)))}
    with tempfile.TemporaryDirectory() as tmp:
        for path in sorted(paths):
            text = files.get(path) or (ksrc / path).read_bytes()
            source = pathlib.Path(tmp, path)
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_bytes(text)
            for checker, calls in CHECKERS.items():
                if re.search(rf"\b({calls})\(".encode(), text):
                    said = run_spatch(TOP / checker, source, None, "--very-quiet",
                                      "--no-includes", "-D", "report")
                    found += said.replace(f"{tmp}/", "").splitlines()
    return found


def warn_untested(ksrc, version, files, force):
    """Warn about an untested version and print the checkers' findings; fail without force."""
    found = check(ksrc, files)
    for line in found:
        print(f"warning: {line}", file=sys.stderr)
    text = (f"Linux {version} was never tested. All rules match, and the checkers find "
            f"{len(found) or 'no'} ways to lose data, of those that they know")
    if not force:
        raise Error(f"{text}: do step 3 of \"Another version of Linux\" in HACKING.md, then "
                    "give FORCE=1")
    print(f"warning: {text}", file=sys.stderr)


def copy_files(ksrc, out):
    """Copy a kernel tree without its repository, and without ours if it is inside."""
    skip = ["./.git"]
    if TOP.is_relative_to(ksrc):
        skip.append(f"./{TOP.relative_to(ksrc)}")
    read = subprocess.Popen(
        ["tar", "-C", ksrc, "--anchored", "--no-wildcards",
         *(f"--exclude={name}" for name in skip), "-cf", "-", "."],
        stdout=subprocess.PIPE)
    write = subprocess.run(["tar", "-C", out, "-xf", "-"], stdin=read.stdout)
    # Otherwise, the reader blocks forever if the writer has died.
    read.stdout.close()
    if read.wait() or write.returncode:
        raise Error(f"{out}: the copy of {ksrc} failed, see above; give another OUT")


def check_new(out):
    """Refuse an OUT that cannot hold a kernel; create its parent directory."""
    if re.search(r"[\s:]", str(out)):
        raise Error(f"OUT={out}: the kernel's make takes no path with blanks or colons; "
                    "give another OUT")
    out.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out.parent).free >> 20
    if free < COPY_MB:
        raise Error(f"a copy of the kernel needs {COPY_MB} MB below {out.parent}, "
                    f"only {free} MB are free: make room")


def copy_tree(ksrc, out):
    """Copy KSRC to OUT; OUT exists only when the copy is complete."""
    check_new(out)
    # No user directory has such a name, so an existing one is an interrupted copy.
    tmp = out.with_name(f"{out.name}{STAMP}.tmp")
    if tmp.exists():
        shutil.rmtree(tmp)
    tmp.mkdir()
    copy_files(ksrc, tmp)
    if (tmp / ".config").exists() or (tmp / "include/config").exists():
        clean(tmp)
    (tmp / STAMP).write_text(origin(ksrc))
    list_copied(tmp)
    tmp.rename(out)


def clean(tree):
    """Remove build output from the copy of a tree."""
    run = subprocess.run(["make", "-s", "-C", tree, "mrproper"], capture_output=True,
                         text=True)
    if run.returncode:
        said = (run.stderr.strip() or "no message").splitlines()[-1]
        raise Error(f"{tree}: make mrproper fails ({said}); give a KSRC without a build")


def contents(tree, skip=(), links=False):
    """Yield (path, "size time") of all files below a tree.

    skip: paths of directories whose contents are skipped; links: include symlinks to
    directories.
    """
    for where, dirs, names in os.walk(tree):
        folder = os.path.relpath(where, tree)
        paths = [os.path.normpath(os.path.join(folder, name)) for name in sorted(names)]
        if links:
            paths += [os.path.normpath(os.path.join(folder, name)) for name in sorted(dirs)
                      if os.path.islink(os.path.join(where, name))]
        dirs[:] = sorted(name for name in dirs
                         if os.path.normpath(os.path.join(folder, name)) not in skip)
        for path in paths:
            stat = os.lstat(os.path.join(tree, path))
            yield path, f"{stat.st_size} {stat.st_mtime_ns}"


def origin(ksrc):
    """Return a line that changes when any file of the source tree does."""
    digest = hashlib.sha256()
    skip = {".git"}
    if TOP.is_relative_to(ksrc):
        skip.add(str(TOP.relative_to(ksrc)))
    for path, state in contents(ksrc, skip):
        digest.update(os.fsencode(f"{ksrc}/{path} {state}\n"))
    return f"{ksrc} {digest.hexdigest()}\n"


def list_copied(tree):
    """Record the files of a fresh copy, to distinguish a user's files from them."""
    with open(tree / COPIED, "w", errors="surrogateescape") as file:
        for path, state in contents(tree, links=True):
            file.write(f"{state} {path}\n")


def foreign(out, touched):
    """Return the files in OUT that we did not write, or that have changed since."""
    copied = {}
    if (out / COPIED).exists():
        for line in (out / COPIED).read_text(errors="surrogateescape").split("\n")[:-1]:
            size, time, path = line.split(" ", 2)
            copied[path] = f"{size} {time}"
    ours = {STAMP, COPIED, *map(str, touched)}
    return [path for path, state in contents(out, links=True)
            if copied.get(path) != state and path not in ours
            and not path.endswith(STAMP) and "__pycache__" not in path.split("/")]


def remove(out):
    """Remove OUT unless a user has files or a repository in it."""
    lines = (out / STAMP).read_text().splitlines()
    if lost := foreign(out, lines[1:]):
        first = next((path for path in lost if path.startswith(".git/")), lost[0])
        raise Error(f"{out}: the kernel source has changed, but {len(lost)} files there are "
                    f"not ours ({first}); move it away, or give another OUT")
    print(f"{out}: the kernel source has changed, copying it again", file=sys.stderr)
    shutil.rmtree(out)


def write_if_changed(path, content):
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(path.name + ".percpu_defer")
    tmp.write_bytes(content)
    if path.exists():
        shutil.copymode(path, tmp)
    tmp.rename(path)


def update(ksrc, out, files):
    """Update OUT to KSRC plus files; the stamp lists all files that we may touch."""
    stamp = out / STAMP
    lines = stamp.read_text().splitlines()
    touched = {pathlib.Path(line) for line in lines[1:]}
    stamp.write_text("\n".join([lines[0], *map(str, sorted(touched | files.keys()))])
                     + "\n")
    for path in sorted(touched - files.keys()):
        if (ksrc / path).exists():
            write_if_changed(out / path, (ksrc / path).read_bytes())
        else:
            (out / path).unlink(missing_ok=True)
    for path, content in files.items():
        write_if_changed(out / path, content)
        if (TOP / path).is_file():
            shutil.copymode(TOP / path, out / path)
    stamp.write_text("\n".join([lines[0], *map(str, sorted(files))]) + "\n")


def check_place(ksrc, out):
    """Refuse an OUT that would change KSRC."""
    if out.is_relative_to(ksrc) and not (
            TOP.is_relative_to(ksrc) and out.is_relative_to(TOP)):
        raise Error(f"OUT={out} lies in the kernel tree: give another place")


def report(version):
    """Report the differences for this version, and the files that were left out."""
    for line in compat_tables.says(version):
        print(line, file=sys.stderr)
    report_strays()


def apply(ksrc, out, pristine, force=True):
    version = kernel_version(ksrc)
    check_place(ksrc, out)
    files = {} if pristine else generate(ksrc, version, read_overlay(version))
    if files and not is_tested(version):
        warn_untested(ksrc, version, files, force)
    if out.exists():
        stamp = out / STAMP
        if not stamp.is_file():
            raise Error(f"{out} exists and was not made by us: give another OUT")
        if stamp.read_text().splitlines()[0] + "\n" != origin(ksrc):
            remove(out)
    if not out.exists():
        copy_tree(ksrc, out)
    update(ksrc, out, files)
    print(f"{out}: Linux {version}, {len(files)} files added or changed",
          file=sys.stderr)
    if not pristine:
        report(version)
