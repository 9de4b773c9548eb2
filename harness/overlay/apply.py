# SPDX-License-Identifier: GPL-2.0
"""Generate a kernel tree with percpu_defer from a tree without it.

KSRC is copied, never changed. From this repository,
  <file>             is copied to the same path;
  <file>.c.cocci     is a semantic patch that makes the changes to <file>.c that are useful
                     without deferral; other semantic patches are ordinary files;
  <file>.c.defer.cocci
                     is another semantic patch, applied to the result of the first;
  <file>.edit.toml   lists literal insertions and replacements in <file>; series.toml
                     refers to some of them by name;
  <name>.inc         is C code that replaces its #include, which a semantic patch inserts.
Each edit must match once; each rule must match once, or as often as its comment specifies.
Otherwise, all mismatches are listed, and OUT is not changed.

For some kernels, compat_tables.py first adapts the overlay. A kernel that is not in TESTED
requires FORCE, because an additional way to fill a slot would lose data. The findings of
CHECKERS in such a kernel are printed.

OUT is created, or updated if an earlier run made it from the same KSRC. If KSRC has changed
since that run, KSRC is copied again. Unchanged files keep their time stamps to shorten
rebuilds. For a pristine tree, OUT is a plain copy of KSRC.
"""

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

from overlay import compat_tables, nearest
from overlay.parts import COCCI, EDITS, files_below, git_files, split, target
from shared import TOP, Error

# Top-level directories of a kernel.
KERNEL_DIRS = (
    "arch", "block", "certs", "crypto", "Documentation", "drivers", "fs", "include", "init",
    "io_uring", "ipc", "kernel", "lib", "mm", "net", "rust", "samples", "scripts", "security",
    "sound", "tools", "usr", "virt")
TESTED = ((6, 12), (7, 2), (7, 3))
# Semantic patches that find ways to lose data: {path: calls that the patch checks}.
CHECKERS = {"harness/overlay/checkers/zram_filled.cocci": "set_slot_handle|zram_set_handle",
            "harness/overlay/checkers/swap_handed_out.cocci": "swap_range_alloc",
            "scripts/coccinelle/api/percpu_defer/look_before_claim.cocci":
                "percpu_defer_map_claim"}
CHECKED = ("drivers/block/zram/*.c", "mm/*.c")
STAMP = ".percpu_defer"     # in OUT: origin of OUT, and the files that the overlay writes
COPIED = STAMP + ".copied"  # in OUT: files of the copy, with sizes and times
INCLUDE = re.compile(r'^#include "([^"]+\.inc)"\n+', re.M)


def kernel_version(tree):
    """Return the version of a kernel tree, e.g. '7.3.4'; fail if it is unsupported."""
    makefile = tree / "Makefile"
    text = makefile.read_text(errors="replace") if makefile.is_file() else ""
    found = dict(re.findall(
        r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)$", text, re.M))
    if not {"VERSION", "PATCHLEVEL"} <= found.keys() or not (tree / "Kbuild").is_file():
        raise Error(f"{tree}: not a kernel tree; give KSRC=<top of a kernel source>")
    names = ("VERSION", "PATCHLEVEL", "SUBLEVEL")
    version = ".".join(found[name] for name in names if found.get(name))
    if (oldest := TESTED[0]) > (int(found["VERSION"]), int(found["PATCHLEVEL"])):
        raise Error(f"{tree}: Linux {version} is too old; {oldest[0]}.{oldest[1]} or newer is "
                    "required")
    return version + found.get("EXTRAVERSION", "")


def overlay():
    """Return all files of this repository that belong to the overlay.

    Exclude untracked files, which would otherwise end up in the kernel and in a patch.
    """
    return [*files_below(TOP, KERNEL_DIRS), pathlib.Path("MAINTAINERS.edit.toml")]


def read_overlay(version=""):
    """Return the overlay with contents, {path: bytes}, adapted to this version if given."""
    files = {path: (TOP / path).read_bytes() for path in overlay()}
    return compat_tables.adapt(version, files) if version else files


def run_spatch(cocci, source, *options):
    """Run spatch; return its output, or fail with the last line of its errors."""
    run = subprocess.run(["spatch", "--smpl-spacing", *options, "--sp-file", cocci, source],
                         capture_output=True, text=True)
    if run.returncode:
        raise Error("spatch failed: " + (run.stderr.strip().splitlines() or ["no message"])[-1])
    return run.stdout


def mismatches(path, rules, said, text):
    """Return messages about rules with an unexpected number of matches."""
    lines, problems = text.splitlines(), []
    for name, rule in rules:
        asked = re.search(r"^// matches: (\d+)$", rule, re.M)
        wanted = int(asked[1]) if asked else 1
        found = sorted(map(int, set(re.findall(rf"^MATCHED {name} (\d+)$", said, re.M))))
        if len(found) != wanted:
            problems.append(f"{path}: rule '{name}' matched {len(found)} times, not {wanted}")
            problems += ([f"    line {number}: {lines[number - 1].strip()}" for number in found]
                         or nearest.of_rule(rule, text))
    return problems


@functools.cache
def convert(path, cocci, text):
    """Apply a semantic patch to the text of a file; return the new text, and mismatches."""
    rules = split(path, cocci)[1]
    if not rules:
        raise Error(f"{path}: no named rule")
    with tempfile.TemporaryDirectory() as tmp:
        source, patch, result = (pathlib.Path(tmp, name)
                                 for name in ("source.c", "patch.cocci", "out"))
        source.write_text(text)
        # Make each rule report its matches.
        patch.write_text("\n".join([cocci, *(
            f"@script:python@\np << {name}.p;\n@@\n"
            f'print("MATCHED {name} %s" % p[0].line)\n' for name, _rule in rules)]))
        try:
            said = run_spatch(patch, source, "-o", result)
        except Error as error:
            return text, [f"{path}: {error}"]
        return (result.read_text() if result.exists() else text,
                mismatches(path, rules, said, text))


def expand_includes(path, text, files):
    """Replace each #include of an .inc file with the text of the file."""
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
    for number, edit in enumerate(tomllib.loads(toml)["edit"], 1):
        how, = {"before", "after", "replace"} & edit.keys()
        anchor, new = edit[how], edit["text"]
        if (count := text.count(anchor)) != 1:
            problems += [f"{path}: edit {number} matched {count} times, not 1",
                         *nearest.of_anchor(anchor, text)]
            continue
        text = text.replace(anchor, {"before": new + anchor, "after": anchor + new,
                                     "replace": new}[how])
    return text, problems


def change(ksrc, files, suffix, text_of):
    """Apply all patches with this suffix; update text_of; return the mismatches."""
    problems = []
    for path, content in files.items():
        if not path.name.endswith(suffix):
            continue
        name = target(path)
        if name not in text_of and name not in files and not (ksrc / name).is_file():
            problems.append(f"{path}: there is no {name}")
            continue
        text = text_of.get(name) or (files.get(name) or (ksrc / name).read_bytes()).decode()
        how = edit_file if suffix == EDITS else convert
        text, found = how(path, content.decode(), text)
        text_of[name] = expand_includes(path, text, files) if how is convert else text
        problems += found
    return problems


def generate(ksrc, version, files):
    """Return the files that an overlay changes or adds as {path: bytes}; fail on mismatches."""
    text_of, problems = {}, []
    for suffix in (*COCCI, EDITS):
        problems += change(ksrc, files, suffix, text_of)
    result = {path: content for path, content in files.items()
              if not target(path) and path.suffix != ".inc"}
    problems += [f"{path}: the kernel already has this file" for path in result
                 if (ksrc / path).exists()]
    if problems:
        raise Error("\n".join([
            f"the overlay does not apply to Linux {version}, nothing was written; see HACKING.md:",
            *problems]))
    return result | {name: text.encode() for name, text in text_of.items()}


def check(ksrc, files):
    """Run CHECKERS on a patched kernel; return their findings."""
    found = []
    paths = {path for pattern in CHECKED for path in (
        *(path.relative_to(ksrc) for path in ksrc.glob(pattern)),
        *(path for path in files if path.match(pattern)))}
    with tempfile.TemporaryDirectory() as tmp:
        for path in sorted(paths):
            text = files.get(path) or (ksrc / path).read_bytes()
            source = pathlib.Path(tmp, path)
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_bytes(text)
            for checker, calls in CHECKERS.items():
                if re.search(rf"\b({calls})\(".encode(), text):
                    said = run_spatch(TOP / checker, source, "--very-quiet", "--no-includes",
                                      "-D", "report")
                    found += said.replace(f"{tmp}/", "").splitlines()
    return found


def check_untested(ksrc, version, files, force):
    """Print the findings of CHECKERS on an untested version; fail without force."""
    if tuple(map(int, re.findall(r"\d+", version)[:2])) in TESTED:
        return
    found = check(ksrc, files)
    for line in found:
        print(f"warning: {line}", file=sys.stderr)
    text = (f"Linux {version}: untested; all rules match; findings of the checkers, "
            f"which cannot find every way to lose data: {len(found) or 'none'}")
    if not force:
        raise Error(f"{text}; do step 3 of \"Another version of Linux\" in HACKING.md, then "
                    "give FORCE=1")
    print(f"warning: {text}", file=sys.stderr)


def check_place(ksrc, out):
    """Fail if KSRC contains OUT or TOP, or if the kernel's make would refuse OUT."""
    for path in out, TOP:
        if path.is_relative_to(ksrc):
            raise Error(f"{path}: inside the kernel tree; choose a directory outside")
    if re.search(r"[\s:]", str(out)):
        raise Error(f"OUT={out}: the kernel's make accepts no path with blanks or colons; "
                    "give another OUT")


def unfinished(out):
    """Return the temporary path of an incomplete OUT; no user directory has such a name."""
    return out.with_name(f"{out.name}{STAMP}.tmp")


def copy_tree(ksrc, out):
    """Copy KSRC without .git; rename the copy to OUT when it is complete."""
    tmp = unfinished(out)
    if tmp.exists():
        shutil.rmtree(tmp)
    try:
        shutil.copytree(ksrc, tmp, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    except shutil.Error as error:
        shutil.rmtree(tmp)
        raise Error(f"the copy of {ksrc} failed ({error.args[0][0][2]}); give another OUT"
                    ) from error
    if (tmp / ".config").exists() or (tmp / "include/config").exists():
        clean(tmp)
    (tmp / STAMP).write_text(origin(ksrc))
    (tmp / COPIED).write_bytes(b"\0".join(contents(tmp)))
    tmp.rename(out)


def clean(tree):
    """Remove build output from the copy of a tree."""
    run = subprocess.run(["make", "-s", "-C", tree, "mrproper"], capture_output=True, text=True)
    if run.returncode:
        said = (run.stderr.strip() or "no message").splitlines()[-1]
        raise Error(f"{tree}: make mrproper failed ({said}); give a KSRC without a build")


def contents(tree, *prune):
    """Return sorted b"size time path" of all files and links in a tree that are not pruned."""
    run = subprocess.run(["find", tree, *prune, "!", "-type", "d", "-printf", r"%s %T@ %P\0"],
                         capture_output=True)
    if run.returncode:
        said = run.stderr.decode(errors="replace").splitlines()
        raise Error(f"{tree}: unreadable ({said[0]}); fix its permissions")
    return sorted(run.stdout.split(b"\0")[:-1])


def origin(ksrc):
    """Return a line that changes whenever a file of the source tree changes."""
    listed = b"\0".join(contents(ksrc, "-name", ".git", "-prune", "-o"))
    return f"{ksrc} {hashlib.sha256(os.fsencode(ksrc) + listed).hexdigest()}\n"


def remove(out):
    """Remove OUT; fail if files of the copy were changed, or if files were added to it."""
    touched = (out / STAMP).read_text().splitlines()[1:]
    copied = (out / COPIED).read_bytes().split(b"\0") if (out / COPIED).exists() else ()
    if len(copied) == 1:
        raise Error(f"{out}: made by an older version of this repository; remove it")
    changed = [os.fsdecode(line.split(b" ", 2)[2])
               for line in set(contents(out)).difference(copied)]
    lost = sorted(path for path in changed if path not in (STAMP, COPIED, *touched)
                  and not path.endswith(STAMP) and "__pycache__" not in path.split("/"))
    if lost:
        raise Error(f"{out}: the kernel source has changed, but OUT has {len(lost)} files of "
                    f"the user ({lost[0]}); move it away, or give another OUT")
    print(f"{out}: the kernel source has changed; copying again", file=sys.stderr)
    shutil.rmtree(out)


def write_if_changed(path, content):
    """Write a file atomically unless it already has this content; keep its mode."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(path.name + STAMP)
    tmp.write_bytes(content)
    if path.exists():
        shutil.copymode(path, tmp)
    tmp.rename(path)


def update(ksrc, out, files):
    """Update OUT to KSRC plus files; at any time, the stamp lists all files that may differ."""
    stamp = out / STAMP
    first, *touched = stamp.read_text().splitlines()
    touched = set(map(pathlib.Path, touched))
    listed = "\n".join([first, *map(str, sorted(touched | files.keys()))]) + "\n"
    write_if_changed(stamp, listed.encode())
    for path in sorted(touched - files.keys()):
        if (ksrc / path).exists():
            write_if_changed(out / path, (ksrc / path).read_bytes())
        else:
            (out / path).unlink(missing_ok=True)
    for path, content in files.items():
        write_if_changed(out / path, content)
        if (TOP / path).is_file():
            shutil.copymode(TOP / path, out / path)
    write_if_changed(stamp, "\n".join([first, *map(str, sorted(files))]).encode() + b"\n")


def report(version):
    """Print the features that this version lacks."""
    for line in compat_tables.says(version):
        print(line, file=sys.stderr)


def report_untracked():
    """Print the untracked files, which are not applied."""
    if (TOP / ".git").exists():
        for path in git_files(TOP, "--others", "--exclude-standard", "--", *KERNEL_DIRS,
                              "harness/overlay/compat/*/"):
            print(f"{path}: untracked, not applied; git add it, or remove it", file=sys.stderr)


def apply(ksrc, out, pristine, force=True):
    """Create or update OUT; fail if this would change KSRC or files of the user."""
    version = kernel_version(ksrc)
    check_place(ksrc, out)
    if not pristine:
        report_untracked()
    files = {} if pristine else generate(ksrc, version, read_overlay(version))
    if files:
        check_untested(ksrc, version, files, force)
    if out.exists():
        stamp = out / STAMP
        if not stamp.is_file():
            raise Error(f"{out}: exists and was not made by this tool; give another OUT")
        if stamp.read_text().splitlines()[0] + "\n" != origin(ksrc):
            remove(out)
    if not out.exists():
        copy_tree(ksrc, out)
    update(ksrc, out, files)
    print(f"{out}: Linux {version}, {len(files)} files added or changed", file=sys.stderr)
    if not pristine:
        report(version)
