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
    "Documentation", "drivers", "include", "lib", "mm", "samples", "scripts", "tools")))
KERNEL_FILES = ("MAINTAINERS.edit.toml",)
OLDEST = (7, 2)
COPY_MB = 2500
STAMP = ".percpu_defer"     # in OUT: where it came from, and what we touched


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


def copy_tree(ksrc, out):
    """OUT is complete or not there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out.parent).free >> 20
    if free < COPY_MB:
        raise Error(f"a copy of the kernel needs {COPY_MB} MB below {out.parent}, "
                    f"only {free} MB are free: make room")
    tmp = out.with_name(out.name + ".tmp")
    shutil.rmtree(tmp, ignore_errors=True)
    tmp.mkdir()
    read = subprocess.Popen(["tar", "-C", ksrc, "--exclude=./.git", "-cf", "-", "."],
                            stdout=subprocess.PIPE)
    write = subprocess.run(["tar", "-C", tmp, "-xf", "-"], stdin=read.stdout)
    if read.wait() or write.returncode:
        raise Error(f"cannot copy {ksrc} to {tmp}")
    if (tmp / ".config").exists() or (tmp / "include/config").exists():
        subprocess.run(["make", "-s", "-C", tmp, "mrproper"], check=True)
    (tmp / STAMP).write_text(origin(ksrc))
    tmp.rename(out)


def origin(ksrc):
    """A line that changes when any file of the source tree does."""
    digest = hashlib.sha256()
    for where, dirs, names in os.walk(ksrc):
        dirs[:] = sorted(d for d in dirs if d != ".git")
        for name in sorted(names):
            stat = os.lstat(os.path.join(where, name))
            digest.update(f"{where}/{name} {stat.st_size} {stat.st_mtime_ns}\n"
                          .encode())
    return f"{ksrc} {digest.hexdigest()}\n"


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
    if out == ksrc or ksrc in out.parents and not str(out).startswith(str(TOP)):
        raise Error(f"OUT={out} lies in the kernel tree: give another place")
    files = {} if pristine else generate(ksrc, version, read_overlay(version))
    if out.exists():
        stamp = out / STAMP
        if not stamp.is_file():
            raise Error(f"{out} exists and was not made by us: give another OUT")
        if stamp.read_text().splitlines()[0] + "\n" != origin(ksrc):
            print(f"{out}: the kernel source has changed, copying it anew",
                  file=sys.stderr)
            shutil.rmtree(out)
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
