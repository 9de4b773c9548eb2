#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make a kernel tree with percpu_defer in it out of one without.

usage: apply.py KSRC OUT [--pristine]

KSRC is copied, never changed. Of this repository,
  <file>             is copied to the same path;
  <file>.c.cocci     is a semantic patch that converts <file>.c; other semantic
                     patches are files like any other;
  <file>.edit.toml   lists literal insertions and replacements in <file>; some have
                     a name, for series.toml;
  <name>.inc         is C; the semantic patch has put an #include of it where it
                     belongs, and the text takes the place of that line.
Each rule and each edit has to match as often as it says (once, unless told
otherwise), or nothing is done.

For a kernel older than OLDEST, older.py changes all this before.

OUT is made, or, when it was made by us from the same KSRC, brought up to date:
files that come out the same keep their time stamp, so a build redoes little.
With --pristine OUT is a copy of KSRC and nothing else.
"""

import argparse
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

import older
from parts import RULE, TOP, Error, edit, files_below, strays

KERNEL_DIRS = tuple(map(pathlib.Path, (
    "Documentation", "drivers", "include", "kernel", "lib", "mm", "samples", "scripts", "tools")))
KERNEL_FILES = ("MAINTAINERS.edit.toml",)
OLDEST = (7, 2)
COPY_MB = 2500
STAMP = ".percpu_defer"     # in OUT: where it came from, and what we touched
COPIED = STAMP + ".copied"  # in OUT: the files of the copy, with sizes and times


def kernel_version(tree):
    """'7.3.4' of a kernel tree that we can work with."""
    makefile = tree / "Makefile"
    text = makefile.read_text(errors="replace") if makefile.is_file() else ""
    found = dict(re.findall(
        r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)$", text, re.M))
    if not {"VERSION", "PATCHLEVEL"} <= found.keys() or \
            not (tree / "Kbuild").is_file():
        raise Error(f"{tree} is no kernel tree: give KSRC=<top of a kernel source>")
    version = ".".join(found[k] for k in ("VERSION", "PATCHLEVEL", "SUBLEVEL")
                       if found.get(k))
    number, others = (int(found["VERSION"]), int(found["PATCHLEVEL"])), older.supported()
    if number < OLDEST and number not in others:
        raise Error(f"{tree} is Linux {version}, too old: "
                    f"{OLDEST[0]}.{OLDEST[1]} or newer is needed, or "
                    + ", ".join(f"{one}.{two}" for one, two in others))
    return version + found.get("EXTRAVERSION", "")


def overlay():
    """All files of this repository that are meant for the kernel.

    A stray file is none of them: it would get into the kernel and into a patch.
    """
    for name in KERNEL_DIRS:
        yield from (name / path for path in files_below(TOP / name))
    yield from map(pathlib.Path, KERNEL_FILES)


def report_strays():
    """Name on stderr each file that looks like one of the overlay and is not tracked."""
    for name in KERNEL_DIRS:
        for path in strays(TOP / name):
            print(f"{name}/{path}: not tracked, so left out; git add it, or remove it",
                  file=sys.stderr)


def read_overlay(version=""):
    """The same with what is in them, path to bytes, as this version needs it."""
    files = {path: (TOP / path).read_bytes() for path in overlay()}
    return older.adapt(version, files) if older.table(version) else files


class Rule:
    """A rule of a semantic patch, and how often it has to match."""

    def __init__(self, name, wanted):
        self.name, self.wanted = name, wanted


def rules_of(path, cocci):
    rules, wanted = [], 1
    for line in cocci.splitlines():
        if found := re.match(r"// matches: (\d+)$", line):
            wanted = int(found[1])
        elif found := RULE.match(line):
            rules.append(Rule(found[1], wanted))
            wanted = 1
    if not rules:
        raise Error(f"{path}: has no named rule")
    return rules


def counting(cocci, rules):
    """The semantic patch, with a script behind it that tells each match."""
    for rule in rules:
        cocci += (f"\n@script:python@\np << {rule.name}.p;\n@@\n"
                  f'print("MATCHED {rule.name} %s" % p[0].line)\n')
    return cocci


@functools.cache
def convert(path, cocci, text, version):
    """Run a semantic patch over the text of a file."""
    rules = rules_of(path, cocci)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        source, patch, result = tmp / path.stem, tmp / "patch.cocci", tmp / "out"
        source.write_text(text)
        patch.write_text(counting(cocci, rules))
        run = subprocess.run(
            ["spatch", "--smpl-spacing", "--sp-file", str(patch), str(source),
             "-o", str(result)], capture_output=True, text=True)
        matches = collections.Counter(
            m[0] for m in set(re.findall(r"^MATCHED (\w+) (\d+)$", run.stdout, re.M)))
        if run.returncode:
            last = (run.stderr.strip().splitlines() or ["no message"])[-1]
            raise Error(f"{path}: spatch failed on Linux {version}: {last}")
        for rule in rules:
            if matches[rule.name] != rule.wanted:
                raise Error(
                    f"{path}: rule '{rule.name}' matched {matches[rule.name]} "
                    f"times in Linux {version}, not {rule.wanted}: "
                    "adapt the rule to this kernel")
        return result.read_text()


INCLUDE = re.compile(r'^#include "([^"]+\.inc)"\n+', re.M)


def expand_includes(path, text, files):
    """Put the text of each .inc where the semantic patch asked for it."""
    def content(match):
        inc = path.parent / match[1]
        if inc not in files:
            raise Error(f"{path}: {match[1]} does not exist")
        lines = files[inc].decode().split("\n")
        if "SPDX" in lines[0]:
            lines = lines[1:]
        return "\n".join(lines).strip("\n") + "\n\n"
    return INCLUDE.sub(content, text)


def edit_file(path, toml, text, version):
    """Apply the literal edits of a file."""
    for number, one in enumerate(tomllib.loads(toml)["edit"], 1):
        text = edit(f"{path}: edit {number}", one, text, f"Linux {version}")
    return text


def generate(ksrc, version, files):
    """What we change or add, by what is in the overlay; both path to bytes."""
    result = {}
    text_of = {}

    def target(path, suffix):
        name = pathlib.Path(str(path).removesuffix(suffix))
        if name not in text_of:
            if not (ksrc / name).is_file():
                raise Error(f"{path}: Linux {version} has no {name}")
            text_of[name] = (ksrc / name).read_text()
        return name

    for path, content in files.items():
        if path.name.endswith(".c.cocci"):
            name = target(path, ".cocci")
            text = convert(path, content.decode(), text_of[name], version)
            text_of[name] = expand_includes(path, text, files)
    for path, content in files.items():
        if path.name.endswith(".edit.toml"):
            name = target(path, ".edit.toml")
            text_of[name] = edit_file(path, content.decode(), text_of[name], version)
    for path, content in files.items():
        if not path.name.endswith((".c.cocci", ".edit.toml", ".inc")):
            if (ksrc / path).exists():
                raise Error(f"Linux {version} has a {path} of its own")
            result[path] = content
    result.update((name, text.encode()) for name, text in text_of.items())
    return result


def copy_files(ksrc, out):
    """Copy a kernel tree without its repository, and without ours, should it lie there."""
    skip = ["./.git"]
    if TOP.is_relative_to(ksrc):
        skip.append(f"./{TOP.relative_to(ksrc)}")
    read = subprocess.Popen(
        ["tar", "-C", ksrc, "--anchored", "--no-wildcards",
         *(f"--exclude={name}" for name in skip), "-cf", "-", "."],
        stdout=subprocess.PIPE)
    write = subprocess.run(["tar", "-C", out, "-xf", "-"], stdin=read.stdout)
    # Otherwise the reader waits for ever if the writer has died.
    read.stdout.close()
    if read.wait() or write.returncode:
        raise Error(f"{out}: the copy of {ksrc} failed, see above; give another OUT")


def copy_tree(ksrc, out):
    """OUT is complete or not there."""
    if re.search(r"[\s:]", str(out)):
        raise Error(f"OUT={out}: the kernel's make takes no path with blanks or colons; "
                    "give another OUT")
    out.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out.parent).free >> 20
    if free < COPY_MB:
        raise Error(f"a copy of the kernel needs {COPY_MB} MB below {out.parent}, "
                    f"only {free} MB are free: make room")
    # No user's folder has such a name, so what it holds is an interrupted copy.
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
    """Remove what a build left in the copy of a tree."""
    run = subprocess.run(["make", "-s", "-C", tree, "mrproper"], capture_output=True,
                         text=True)
    if run.returncode:
        said = (run.stderr.strip() or "no message").splitlines()[-1]
        raise Error(f"{tree}: make mrproper fails ({said}); give a KSRC without a build")


def contents(tree, skip=(), links=False):
    """Yield (path, "size time") of all files below, with links: of links to folders as well.

    Not of what is in a folder whose path is in skip.
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
    """A line that changes when any file of the source tree does."""
    digest = hashlib.sha256()
    skip = {".git"}
    if TOP.is_relative_to(ksrc):
        skip.add(str(TOP.relative_to(ksrc)))
    for path, state in contents(ksrc, skip):
        digest.update(os.fsencode(f"{ksrc}/{path} {state}\n"))
    return f"{ksrc} {digest.hexdigest()}\n"


def list_copied(tree):
    """Note what is in a fresh copy, so that a user's files can be told from it."""
    with open(tree / COPIED, "w", errors="surrogateescape") as file:
        for path, state in contents(tree, links=True):
            file.write(f"{state} {path}\n")


def foreign(out, touched):
    """Files in OUT that we did not put there, or that were changed since."""
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
    """Bring OUT to KSRC plus files; the stamp names all that we may touch."""
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


def apply(ksrc, out, pristine):
    version = kernel_version(ksrc)
    if out.is_relative_to(ksrc) and not (
            TOP.is_relative_to(ksrc) and out.is_relative_to(TOP)):
        raise Error(f"OUT={out} lies in the kernel tree: give another place")
    files = {} if pristine else generate(ksrc, version, read_overlay(version))
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
    if pristine:
        return
    for line in older.says(version):
        print(line, file=sys.stderr)
    report_strays()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ksrc", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--pristine", action="store_true")
    args = parser.parse_args()
    try:
        apply(args.ksrc.resolve(), args.out.resolve(), args.pristine)
    except (Error, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
