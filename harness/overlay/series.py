# SPDX-License-Identifier: GPL-2.0
"""Write series of patches to build/series/, ready for mailing.

series.toml assigns the parts of the overlay to patches. The tree after each patch is generated
like the complete tree, but from the parts of the patches up to this patch only.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tomllib
import types

from overlay import apply, compat_tables, cover
from overlay.parts import COCCI, split
from shared import BUILD, HARNESS, Error, set_aside

TABLE = HARNESS / "overlay/series.toml"
MESSAGES = HARNESS / "overlay/messages"
OUT = BUILD / "series"
NOBODY = "*** your name *** <address>"
OURS = "percpu_defer <percpu_defer>"
BRANCH = "percpu_defer"
DATE = "2026-01-01T00:00:00Z"      # date of all commits, for reproducible hashes
# Ignore the user's git configuration, such as hooks, signatures and line endings.
ENV = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
       "GIT_AUTHOR_DATE": DATE, "GIT_COMMITTER_DATE": DATE}
# FILE_PATH_CHANGES: the library's MAINTAINERS entry covers later patches. UNKNOWN_COMMIT_ID:
# the kernel's repository may lack the commits that messages refer to.
CHECKPATCH = ["--strict", "--no-summary", "--show-types", "--terse",
              "--ignore", "FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID"]


def read_message(name):
    """Return (subject, body) of a patch or a cover letter."""
    text = (MESSAGES / f"{name}.txt").read_text()
    subject, _, body = re.sub(r"^#.*\n", "", text, flags=re.M).partition("\n\n")
    return subject, body.strip()


def read_table():
    """Return the contents of series.toml with messages, and all patches in order."""
    table = types.SimpleNamespace(**tomllib.loads(TABLE.read_text()))
    table.series = [types.SimpleNamespace(**one) for one in table.series]
    defaults = {"optional": False, "needs": [], "unsigned": ""}
    table.patches = [types.SimpleNamespace(series=series, **(defaults | patch))
                     for series in table.series for patch in series.patch]
    for one in (*table.series, *table.patches):
        one.subject, one.body = read_message(one.name)
    return table


def kept(table, without):
    """Return all patches except the named patches; fail if a named patch is required."""
    optional = [patch.name for patch in table.patches if patch.optional]
    if bad := set(without) - set(optional):
        raise Error(f"WITHOUT={min(bad)}: not optional; choose from {', '.join(optional)}")
    patches = [patch for patch in table.patches if patch.name not in without]
    for patch in patches:
        if lost := set(patch.needs) & set(without):
            raise Error(f"WITHOUT={min(lost)}: {patch.name} needs it; omit that patch as well")
    return patches


def claims(table):
    """Return {entry for a part: name of the patch}; fail if two patches have the same entry."""
    result = {}
    for patch in table.patches:
        for part in patch.parts:
            path, _, names = part.partition(":")
            entries = [f"{path}:{name}" for name in names.split(",")] if names else [path]
            for entry in entries:
                if entry in result:
                    raise Error(f"series.toml: {entry} belongs to two patches")
                result[entry] = patch.name
    return result


def owners(table, files):
    """Return the patch of each part: {(path, name of the part): name of the patch}.

    An entry for a file or directory does not include parts that have their own entry.
    """
    claimed, result, used = claims(table), {}, set()
    for path, content in files.items():
        if path.suffix == ".inc":
            continue
        for name, _text in split(path, content.decode())[1]:
            entries = (f"{path}:{name}", str(path), *(f"{above}/" for above in path.parents))
            entry = next((entry for entry in entries if entry in claimed), None)
            if not entry:
                raise Error(f"{entries[0].rstrip(':')}: belongs to no patch; add it to a patch in "
                            "harness/overlay/series.toml")
            result[path, name] = claimed[entry]
            used.add(entry)
    if unused := claimed.keys() - used:
        raise Error(f"series.toml: there is no {min(unused)}")
    rules = b"".join(text for path, text in files.items() if path.name.endswith(COCCI))
    if lost := [path for path in files if path.suffix == ".inc"
                and f'\n+#include "{path.name}"\n'.encode() not in rules]:
        raise Error(f"{lost[0]}: belongs to no patch; include it in a rule")
    return result


def chosen(files, owner, names):
    """Return the parts of these patches, and all .inc files: unused .inc files have no effect."""
    result = {}
    for path, content in files.items():
        head, parts = split(path, content.decode())
        if kept := [part for name, part in parts
                    if path.suffix == ".inc" or owner[path, name] in names]:
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
    """Yield each patch, and {path: bytes} of the files that all patches up to it add or change."""
    table, version = read_table(), apply.kernel_version(ksrc)
    if compat_tables.table(version):
        raise Error(f"{ksrc}: patches for Linux {version} would be incomplete; give a newer "
                    "version, or use make apply without GIT=1")
    files = signed(apply.read_overlay(version), signoff)
    owner, names = owners(table, files), []
    for patch in kept(table, without):
        names.append(patch.name)
        yield patch, apply.generate(ksrc, version, chosen(files, owner, names))


def all_steps(ksrc, signoff="", without=()):
    """Return the steps; fail unless the complete series yields the files of make apply."""
    made, version = list(steps(ksrc, signoff, without)), apply.kernel_version(ksrc)
    if without:
        return made
    # Do not use the patch table here: the comparison checks the table.
    whole = apply.generate(ksrc, version, signed(apply.read_overlay(version), signoff))
    _patch, last = made[-1]
    if differ := sorted(str(path) for path in whole.keys() | last.keys()
                        if whole.get(path) != last.get(path)):
        raise Error(f"series: the last patch differs from make apply in: {', '.join(differ)}")
    return made


def git(repo, *args, who=OURS, **more):
    """Run git in a repository; return its output."""
    name, _, address = who.rstrip(">").partition(" <")
    env = os.environ | ENV | {
        f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", address))} | more.pop("env", {})
    run = subprocess.run(["git", "-C", repo, *map(str, args)], text=True, env=env,
                         capture_output=True, **more)
    if run.returncode:
        said = (run.stderr.strip() or run.stdout.strip() or "nothing").splitlines()
        raise Error(f"git {args[0]} failed in {repo}: {said[-1]}")
    return run.stdout.strip()


def base_of_own(ksrc):
    """Return the user's repository and its HEAD; fail on uncommitted changes."""
    if not (ksrc / ".git").exists():
        raise Error(f"{ksrc}: not a git repository; give the top of a "
                    "repository whose HEAD is the base, or no KSRC")
    if git(ksrc, "status", "--porcelain", "--untracked-files=no"):
        raise Error(f"{ksrc}: uncommitted changes, patches would not "
                    "apply to HEAD; commit the changes first")
    return ksrc, git(ksrc, "rev-parse", "HEAD")


def base_of_fetched(ksrc, stage):
    """Make a repository from the distribution's source; return it and its HEAD.

    The commit has the same hash on every machine.
    """
    repo = BUILD / f"tree/base-{ksrc.name}.git"
    stamp, origin = repo / "percpu_defer", apply.origin(ksrc)
    if not stamp.exists() or stamp.read_text() != origin:
        shutil.rmtree(repo, ignore_errors=True)
        repo.mkdir(parents=True)
        stage("  create a repository of the unmodified kernel (takes a minute)")
        work_tree = {"GIT_WORK_TREE": str(ksrc)}
        git(repo, "init", "--bare", "--quiet", "--initial-branch=base")
        # bigFileThreshold: write a single pack, which is faster than loose objects. --force: add
        # all files although the distribution's .gitignore excludes all of them but debian/.
        git(repo, "-c", "core.bigFileThreshold=1", "-c", "core.compression=1", "add", "--all",
            "--force", env=work_tree)
        git(repo, "commit", "--quiet", f"--message=Linux {apply.kernel_version(ksrc)}",
            env=work_tree)
        stamp.write_text(origin)
    return repo, git(repo, "rev-parse", "HEAD")


def clone(base, where, touched=()):
    """Clone a repository and check out a commit, or only the touched files if given."""
    source, commit = base
    shutil.rmtree(where, ignore_errors=True)
    where.parent.mkdir(parents=True, exist_ok=True)
    shared = ["--shared"] if touched else []
    git(where.parent, "clone", "--quiet", "--no-checkout", *shared, source, where)
    if touched:
        git(where, "sparse-checkout", "set", "--no-cone", "--stdin",
            input="".join(f"/{path}\n" for path in touched))
    git(where, "checkout", "--quiet", "-B", BRANCH, commit)
    (where / apply.STAMP).write_text("series\n")


def checkpatch(ksrc, patches, signoff):
    """Run checkpatch on the patches; print its findings; fail on errors."""
    # Without SIGNOFF, the signer is a placeholder with an invalid address.
    ignore = [] if signoff else ["--ignore", "BAD_SIGN_OFF,NO_AUTHOR_SIGN_OFF"]
    run = subprocess.run(["scripts/checkpatch.pl", *CHECKPATCH, *ignore, *patches],
                         cwd=ksrc, text=True, capture_output=True)
    found = run.stdout.replace(f"{patches[0].parent}/", "").strip()
    print(found or "checkpatch --strict: no findings")
    if run.stderr.strip():
        raise Error(f"checkpatch.pl failed: {run.stderr.strip().splitlines()[-1]}")
    if errors := found.count(": ERROR:"):
        raise Error(f"checkpatch finds {errors} errors in {patches[0].parent}; see above")


def check_signoff(signoff):
    if signoff and not re.fullmatch(r"[^<>@]+ <[^<>@\s]+@[^<>@\s]+>", signoff):
        raise Error(f"SIGNOFF='{signoff}': invalid; give SIGNOFF='Name <address>'")


def commit(repo, ksrc, patch, files, who=""):
    """Update the files as "make apply" does, and commit them; return the commit hash."""
    apply.update(ksrc, repo, files)
    git(repo, "add", "--force", "--", *files)
    text = f"{patch.subject}\n\n{patch.body}\n"
    if who:
        text = git(repo, "interpret-trailers", "--no-divider", f"--trailer=Signed-off-by: {who}",
                   input=text)
    if who == NOBODY and patch.unsigned:
        text += f"\n---\n{patch.unsigned}"
    git(repo, "commit", "--quiet", "--all", "--file=-", who=who or OURS, input=text)
    return git(repo, "rev-parse", "HEAD")


def format_patches(repo, base, folder, letter, commits, prefix, who):
    """Write the patches of a series and its cover letter; return the paths of the patches."""
    start, end = commits
    git(repo, "branch", "--force", "mailed", end)
    git(repo, "config", "branch.mailed.description", letter)
    git(repo, "format-patch", "--quiet", "--cover-letter", f"--base={base}",
        "--cover-from-description=subject", f"--subject-prefix={prefix}", "--no-signature",
        f"--output-directory={folder}", f"{start}..mailed", who=who)
    return sorted(folder.glob("*.patch"))[1:]


def expect_same(repo, base, patches):
    """Fail unless "git am" of all patches yields the tree of BRANCH."""
    git(repo, "checkout", "--quiet", "-B", "mailed", base)
    git(repo, "am", "--quiet", *patches)
    if differ := git(repo, "diff", "--name-only", BRANCH, "mailed"):
        raise Error(f"git am: result differs from make apply in: {', '.join(differ.split())}")


def publish(tmp):
    """Replace OUT; keep the old OUT, whose cover letters may be filled in by hand."""
    if OUT.exists():
        set_aside(OUT)
    tmp.rename(OUT)


def make(ksrc, own, signoff, without, stage):
    """Write the series to OUT; fail unless git am of all patches yields the generated tree."""
    check_signoff(signoff)
    made, table, who = all_steps(ksrc, signoff, without), read_table(), signoff or NOBODY
    letters = cover.letters(table.series, apply.kernel_version(ksrc), own)
    source, base = base_of_own(ksrc) if own else base_of_fetched(ksrc, stage)
    repo, tmp = BUILD / "tree/series", OUT.with_suffix(".tmp")
    clone((source, base), repo, made[-1][1])
    shutil.rmtree(tmp, ignore_errors=True)
    last = {patch.series.name: commit(repo, ksrc, patch, files, who) for patch, files in made}

    start, every = base, []
    for name, end in last.items():
        stage(f"{name}: format-patch and checkpatch (takes a minute)")
        patches = format_patches(repo, base, tmp / name, letters[name], (start, end),
                                 table.prefix, who)
        checkpatch(ksrc, patches, signoff)
        start = end
        every += patches
    stage("git am of all series")
    expect_same(repo, base, every)
    publish(tmp)
    shutil.rmtree(repo)
    stage("series written to build/series, an earlier one is in build/series.<time>; git am "
          "yields the expected tree. Placeholders to fill in: grep -n -F '*** ' build/series/*/*.patch")


def repository(ksrc, own, out, force, stage):
    """Create OUT, a git repository with the kernel and one commit per patch."""
    if out.exists():
        raise Error(f"OUT={out}: exists; give another OUT for the repository")
    apply.check_place(ksrc, out)
    apply.report_untracked()
    made, version = all_steps(ksrc), apply.kernel_version(ksrc)
    apply.check_untested(ksrc, version, made[-1][1], force)
    base, tmp = base_of_own(ksrc) if own else base_of_fetched(ksrc, stage), apply.unfinished(out)
    stage("  check out the kernel")
    clone(base, tmp)
    git(tmp, "remote", "remove", "origin")
    for patch, files in made:
        stage(f"  {patch.subject}")
        commit(tmp, ksrc, patch, files)
    (tmp / apply.STAMP).unlink()
    tmp.rename(out)
    apply.report(version)
