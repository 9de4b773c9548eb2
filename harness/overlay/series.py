# SPDX-License-Identifier: GPL-2.0
"""Write the overlay as series of patches for mailing to build/series/.

series.toml assigns the parts to patches. Each step is generated in the same way as the
complete overlay, with the parts of the patches so far.
"""

import itertools
import os
import pathlib
import re
import shutil
import subprocess
import tomllib
import types

from overlay import apply, compat_tables, cover
from overlay.parts import COCCI, named, split
from shared import BUILD, HARNESS, Error

TABLE = HARNESS / "overlay/series.toml"
MESSAGES = HARNESS / "overlay/messages"
OUT = BUILD / "series"
NOBODY = "*** your name *** <address>"
BRANCH = "percpu_defer"
DATE = "2026-01-01T00:00:00Z"      # date of all commits, for reproducible hashes
# Ignore the user's configuration of hooks, signatures and line endings.
ENV = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
       "GIT_AUTHOR_DATE": DATE, "GIT_COMMITTER_DATE": DATE}
# The MAINTAINERS entry comes with the library, and the kernel's repository may lack the
# commits that messages refer to.
CHECKPATCH = ["--strict", "--no-summary", "--show-types", "--terse",
              "--ignore", "FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID"]


def read_message(name):
    """Return (subject, body) of a patch or a cover letter."""
    path = MESSAGES / f"{name}.txt"
    if not path.is_file():
        raise Error(f"there is no {path}: write a subject, an empty line and a body")
    subject, _, body = re.sub(r"^#.*\n", "", path.read_text(), flags=re.M).partition("\n\n")
    return subject, body.strip()


class Table:
    """Contents of series.toml; without: names of patches to leave out."""

    def __init__(self, path=TABLE, without=()):
        table = tomllib.loads(path.read_text())
        self.prefix = table["prefix"]
        self.series = [types.SimpleNamespace(**one) for one in table["series"]]
        defaults = {"optional": False, "unsigned": "", "needs": []}
        every = [types.SimpleNamespace(series=series, **(defaults | patch))
                 for series in self.series
                 for patch in series.__dict__.pop("patch")]
        optional = [patch.name for patch in every if patch.optional]
        if bad := set(without) - set(optional):
            raise Error(f"WITHOUT={min(bad)}: no optional patch; there are "
                        f"{', '.join(optional)}")
        for patch in every:
            if patch.name not in without and (lost := set(patch.needs) & set(without)):
                raise Error(f"WITHOUT={min(lost)}: {patch.name} needs it; leave that out as well")
        self.patches, self.without = every, without
        for one in (*self.series, *every):
            one.subject, one.body = read_message(one.name)

    def kept(self):
        """Return (number, patch) of each patch that is not left out."""
        return [(number, patch) for number, patch in enumerate(self.patches)
                if patch.name not in self.without]


def claims(table, files):
    """Return the parts that the patches list: {(path, name): number of the patch}.

    An entry for a directory does not include files that another patch lists.
    """
    claimed, rest = {}, {}
    for number, patch in enumerate(table.patches):
        for part in patch.parts:
            into = rest if part.endswith("/") else claimed
            for key in itertools.product(*named(part, files)):
                if key in into:
                    raise Error(f"series.toml: {part} belongs to two patches")
                into[key] = number
    return rest | claimed


def owners(table, files):
    """Return the number of the patch that each part belongs to: {(path, name): number}."""
    claimed = claims(table, files)
    result, used = {}, set()
    for path, content in files.items():
        if path.suffix == ".inc":
            continue
        for name, _text in split(path, content.decode())[1]:
            key = (path, name) if (path, name) in claimed else (path, "")
            if key not in claimed:
                part = f"{path}, '{name}'," if name else path
                raise Error(f"{part} belongs to no patch: "
                            "say in harness/overlay/series.toml to which")
            result[path, name] = claimed[key]
            used.add(key)
    if unused := claimed.keys() - used:
        path, name = min(unused)
        raise Error(f"series.toml: there is no {path}{name and ':'}{name}")
    check_included(files)
    return result


def check_included(files):
    """Fail if there is C that no rule includes: it would belong to no patch."""
    included = {path.parent / inc for path, content in files.items()
                if path.name.endswith(COCCI)
                for inc in re.findall(r'^\+#include "([^"]+\.inc)"$',
                                      content.decode(), re.M)}
    if lost := [path for path in files
                if path.suffix == ".inc" and path not in included]:
        raise Error(f"{lost[0]} belongs to no patch: no rule includes it")


def chosen(files, owner, numbers):
    """Return the overlay with the parts of some patches, and all included C (harmless)."""
    result = {}
    for path, content in files.items():
        if path.suffix == ".inc":
            result[path] = content
            continue
        head, parts = split(path, content.decode())
        if kept := [part for name, part in parts if owner[path, name] in numbers]:
            result[path] = "".join([head, *kept]).encode()
    return result


def signed(files, signoff):
    """Add the signer as maintainer to the MAINTAINERS entry."""
    path = pathlib.Path("MAINTAINERS.edit.toml")
    if not signoff or path not in files:
        return files
    line = b"PERCPU_DEFER (FREEING OFF HOT PATHS)\n"
    return files | {path: files[path].replace(line, line + f"M:\t{signoff}\n".encode())}


def steps(ksrc, signoff="", without=()):
    """Yield each patch and the files it adds or changes in the kernel, {path: bytes}.

    Patches without effect on an older kernel are skipped.
    """
    table, version = Table(without=without), apply.kernel_version(ksrc)
    files = apply.read_overlay()
    owner = owners(table, files)
    before, numbers, names = {}, set(), set()
    for number, patch in table.kept():
        numbers.add(number)
        names.add(patch.name)
        now = compat_tables.adapt(version, chosen(files, owner, numbers), names)
        after = apply.generate(ksrc, version, signed(now, signoff))
        if after != before:
            yield patch, after
        before = after


def whole_of(ksrc, table, signoff=""):
    """Return the files that all patches add or change in the kernel, {path: bytes}."""
    version = apply.kernel_version(ksrc)
    if table.without:
        files = apply.read_overlay()
        numbers, names = zip(*((number, patch.name) for number, patch in table.kept()))
        files = compat_tables.adapt(version, chosen(files, owners(table, files), numbers), names)
    else:
        # As make apply, not by way of the table: the series is compared with this.
        files = apply.read_overlay(version)
    return apply.generate(ksrc, version, signed(files, signoff))


def git(repo, *args, who="percpu_defer <percpu_defer>", **more):
    """Run git in a repository; return its output."""
    name, _, address = who.rstrip(">").partition(" <")
    env = os.environ | ENV | {
        f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", address))} | more.pop("env", {})
    run = subprocess.run(["git", "-C", repo, *map(str, args)], text=True, env=env,
                         capture_output=True, **more)
    if run.returncode:
        said = (run.stderr.strip() or run.stdout.strip() or "nothing").splitlines()
        raise Error(f"git {args[0]} failed in {repo}, it says: {said[-1]}")
    return run.stdout.strip()


def base_of_own(ksrc):
    """Return the user's repository and its HEAD; fail on uncommitted changes."""
    if not (ksrc / ".git").exists():
        raise Error(f"{ksrc} is no git repository, so there is no commit to base "
                    "patches on: give the top of one, or no KSRC")
    if git(ksrc, "status", "--porcelain", "--untracked-files=no"):
        raise Error(f"{ksrc} has changes that are not committed: the patches "
                    "would not apply to what you base them on")
    return ksrc, git(ksrc, "rev-parse", "HEAD")


def base_of_fetched(ksrc, version, stage):
    """Make a repository from the distribution's source, which has none.

    The commit has the same hash on every machine.
    """
    repo = BUILD / f"tree/base-{ksrc.name}.git"
    stamp, origin = repo / "percpu_defer", apply.origin(ksrc)
    if not stamp.exists() or stamp.read_text() != origin:
        shutil.rmtree(repo, ignore_errors=True)
        repo.mkdir(parents=True)
        git(repo, "init", "--bare", "--quiet", "--initial-branch=base")
        add_all(repo, ksrc, stage)
        git(repo, "commit", "--quiet", f"--message=Linux {version}",
            env={"GIT_WORK_TREE": str(ksrc)})
        stamp.write_text(origin)
    return repo, git(repo, "rev-parse", "HEAD")


def add_all(repo, ksrc, stage):
    """Add all files of a source to the index, about 90000; report progress."""
    # One pack is faster and has fewer files. --force: the distribution's .gitignore
    # excludes all files except the distribution's own.
    command = ["git", "-C", repo, "-c", "core.bigFileThreshold=1",
               "-c", "core.compression=1", "add", "--all", "--force", "--verbose"]
    with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True,
            env=os.environ | ENV | {"GIT_WORK_TREE": str(ksrc)}) as run:
        for number, _line in enumerate(run.stdout):
            if not number % 20000:
                stage(f"  a repository of the unmodified kernel: {number} files")
    if run.returncode:
        raise Error(f"git cannot add the files of {ksrc}")


def put(ksrc, repo, files):
    """Update a clone to the source plus these files, as "make apply" does."""
    apply.update(ksrc, repo, files)
    git(repo, "add", "--force", "--", *files)


class Tree:
    """Clone in which only the files that we touch are checked out."""

    def __init__(self, where, source, base, touched):
        git(BUILD, "clone", "--quiet", "--shared", "--no-checkout", source, where)
        self.where = where
        git(where, "update-ref", f"refs/heads/{BRANCH}", base)
        git(where, "symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
        git(where, "read-tree", base)
        known = git(where, "ls-files", "--", *touched).splitlines()
        git(where, "checkout-index", "--quiet", "--", *known)
        (where / apply.STAMP).write_text("series\n")

    def put(self, ksrc, files):
        put(ksrc, self.where, files)

    def tree(self):
        """Return the hash of the whole tree: names, modes and contents."""
        return git(self.where, "write-tree")


def message(patch, who):
    """Return the commit message of a patch."""
    note = patch.unsigned if who == NOBODY else ""
    # Append to existing trailers without an empty line.
    gap = "\n" if re.search(r"\n\n(?:[A-Z][\w-]+: .+\n?)+\Z", patch.body) else "\n\n"
    return (f"{patch.subject}\n\n{patch.body}{gap}"
            f"Signed-off-by: {who}\n" + (f"---\n{note}" if note else ""))


def checkpatch(ksrc, patches, signoff):
    """Print the findings of checkpatch; fail if there are errors."""
    # Without SIGNOFF, the signer is a placeholder with an invalid address.
    ignore = [] if signoff else ["--ignore", "BAD_SIGN_OFF,NO_AUTHOR_SIGN_OFF"]
    run = subprocess.run(["scripts/checkpatch.pl", *CHECKPATCH, *ignore, *patches],
                         cwd=ksrc, text=True, capture_output=True)
    found = [line.removeprefix(f"{patches[0].parent}/")
             for line in run.stdout.splitlines()
             if re.search(r": (ERROR|WARNING|CHECK):", line)]
    print("\n".join(found) or "checkpatch --strict finds nothing")
    if run.stderr.strip():
        raise Error(f"checkpatch.pl says: {run.stderr.strip().splitlines()[-1]}")
    if errors := [line for line in found if ": ERROR:" in line]:
        raise Error(f"checkpatch finds {len(errors)} errors, see above, in "
                    f"{patches[0].parent}")


def recipients(ksrc, patches):
    """Return the recipients from get_maintainer.pl, one address per line."""
    run = subprocess.run(["scripts/get_maintainer.pl", "--no-git", "--no-git-fallback",
                          "--no-roles", "--no-rolestats", *patches],
                         cwd=ksrc, text=True, capture_output=True)
    if run.returncode or not run.stdout:
        raise Error("get_maintainer.pl names nobody; it says: "
                    f"{(run.stderr.strip() or 'nothing').splitlines()[-1]}")
    return run.stdout


def same(what, tree, wanted):
    """Fail unless the tree equals the wanted one, which make apply produces."""
    if tree.tree() != wanted.tree():
        differ = git(tree.where, "diff", "--name-only", tree.tree(), wanted.tree(),
                     env={"GIT_ALTERNATE_OBJECT_DIRECTORIES":
                          str(wanted.where / ".git/objects")})
        raise Error(f"{what} does not give what make apply does, in: "
                    f"{', '.join(differ.split())}")


def publish(tmp):
    """Replace OUT with the complete result."""
    old = OUT.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if OUT.exists():
        OUT.rename(old)
    tmp.rename(OUT)
    shutil.rmtree(old, ignore_errors=True)


def check_signoff(signoff):
    if signoff and not re.fullmatch(r"[^<>@]+ <[^<>@\s]+@[^<>@\s]+>", signoff):
        raise Error(f"SIGNOFF='{signoff}' is not of the form 'Name <address>'")


def commit_steps(built, ksrc, signoff, without, stage):
    """Commit all patches; return the last commit of each series that has any."""
    last = {}
    for patch, files in steps(ksrc, signoff, without):
        stage(f"  {patch.series.name}: {patch.subject}")
        built.put(ksrc, files)
        git(built.where, "commit", "--quiet", "--file=-", who=signoff or NOBODY,
            input=message(patch, signoff or NOBODY))
        last[patch.series.name] = git(built.where, "rev-parse", "HEAD")
    return last


def format_series(built, prefix, series, letter, base, start, end, out, who):
    """Write the patches of a series and its cover letter; return the paths of the patches."""
    git(built.where, "branch", "--force", "mailed", end)
    git(built.where, "config", "branch.mailed.description", letter)
    git(built.where, "format-patch", "--quiet", "--cover-letter", f"--base={base}",
        "--cover-from-description=subject", f"--subject-prefix={prefix}",
        "--no-signature", f"--output-directory={out / series.name}", f"{start}..mailed", who=who)
    return sorted((out / series.name).glob("*.patch"))[1:]


def make(ksrc, own, signoff, without, stage):
    """Write the series; verify that they produce the same tree as make apply."""
    check_signoff(signoff)
    version, who = apply.kernel_version(ksrc), signoff or NOBODY
    tmp, work = OUT.with_suffix(".tmp"), BUILD / "tree/series"
    table = Table(without=without)
    for folder in tmp, work:
        shutil.rmtree(folder, ignore_errors=True)
    source, base = (base_of_own(ksrc) if own else
                    base_of_fetched(ksrc, version, stage))
    whole = whole_of(ksrc, table, signoff)
    work.mkdir(parents=True)
    wanted, built, mailed = (Tree(work / name, source, base, whole)
                             for name in ("wanted", "built", "mailed"))
    wanted.put(ksrc, whole)
    last = commit_steps(built, ksrc, signoff, without, stage)
    same("the last patch", built, wanted)

    start = base
    for series in table.series:
        if series.name not in last:
            continue
        patches = format_series(built, table.prefix, series, cover.text(series, version, own),
                                base, start, last[series.name], tmp, who)
        start = last[series.name]
        stage(f"{series.name}: git am, and checkpatch, which takes a minute")
        git(mailed.where, "am", "--quiet", *patches)
        checkpatch(ksrc, patches, signoff)
        (tmp / series.name / "recipients.txt").write_text(recipients(ksrc, patches))
    same("git am", mailed, wanted)
    publish(tmp)
    shutil.rmtree(work)
    report(stage)


def repository(ksrc, own, out, stage, force):
    """Make OUT a git repository with the kernel and one commit per patch."""
    version = apply.kernel_version(ksrc)
    if out.exists():
        raise Error(f"OUT={out} exists: a repository needs a new place")
    apply.check_place(ksrc, out)
    apply.check_new(out)
    whole = whole_of(ksrc, Table())
    if not apply.is_tested(version):
        apply.warn_untested(ksrc, version, whole, force)
    source, base = (base_of_own(ksrc) if own else
                    base_of_fetched(ksrc, version, stage))
    tmp = out.with_name(f"{out.name}{apply.STAMP}.tmp")
    shutil.rmtree(tmp, ignore_errors=True)
    stage("  check the kernel out")
    git(out.parent, "clone", "--quiet", "--no-checkout", source, tmp)
    git(tmp, "checkout", "--quiet", "-B", BRANCH, base)
    git(tmp, "remote", "remove", "origin")
    (tmp / apply.STAMP).write_text("series\n")
    files = {}
    for patch, files in steps(ksrc):
        stage(f"  {patch.subject}")
        put(ksrc, tmp, files)
        git(tmp, "commit", "--quiet", "--file=-",
            input=f"{patch.subject}\n\n{patch.body}\n")
    if files != whole:
        raise Error("the last patch does not give what make apply does")
    (tmp / apply.STAMP).unlink()
    tmp.rename(out)
    apply.report(version)


def report(stage):
    """Print the location of the result and the number of lines to fill in by hand."""
    blanks = sum(bool(re.search(r"(^|\s)\*\*\* ", line)) for path in OUT.glob("*/*.patch")
                 for line in path.read_text().splitlines())
    stage("the series are in build/series; git am of all gives what make apply does")
    if blanks:
        stage(f"{blanks} lines are for you to fill in: "
              "grep -n -F '*** ' build/series/*/*.patch")
