# SPDX-License-Identifier: GPL-2.0
"""Choose the documentation pages for docs.sh, and check the warnings about them.

The stamp of make apply names all added and changed files of the tree. Only the changed pages and
their indices are built, which takes seconds instead of an hour. A warning about a missing page or
label counts only if the tree contains no page or label of that name.
"""

import pathlib
import re
import subprocess
import sys

from overlay import apply
from shared import Error

DOCS = pathlib.Path("Documentation")
WARNING = re.compile(r"WARNING|ERROR|error: |warning: |Warning: |Error: ")
ABSENT = re.compile(r"(?:toctree contains reference to (?:nonexisting|excluded) document"
                    r"|unknown document:) '/?([^']+)'")
UNLABELLED = re.compile(r"undefined label: '([^']+)'")


def changed(tree):
    """Return the files of the tree that are added or changed."""
    return [pathlib.Path(line) for line in (tree / apply.STAMP).read_text().splitlines()[1:]]


def changed_pages(tree):
    """Return the changed pages, relative to Documentation; fail if there are none."""
    pages = [path.relative_to(DOCS) for path in changed(tree)
             if path.suffix == ".rst" and path.is_relative_to(DOCS)]
    if not pages:
        raise Error(f"{tree}: no changed page; apply the overlay first")
    return pages


def to_build(tree):
    """Return the changed pages and the indices above them."""
    pages = changed_pages(tree)
    indices = {folder / "index.rst" for page in pages for folder in page.parents
               if (tree / DOCS / folder / "index.rst").is_file()}
    return sorted(indices.union(pages))


def is_artefact(tree, page, line):
    """Return whether a warning is due only to pages that were not built."""
    if absent := ABSENT.search(line):
        # A toctree entry is relative to Documentation, a reference to its page.
        return any((folder / f"{absent[1]}.rst").is_file()
                   for folder in (tree / DOCS, (tree / page).parent))
    if unlabelled := UNLABELLED.search(line):
        # Sphinx ignores the case of labels.
        label = rf"^\s*\.\. _{re.escape(unlabelled[1])}:\s*$"
        return not subprocess.run(["grep", "-rqiP", "--include=*.rst", label,
                                   tree / DOCS]).returncode
    return "document isn't included in any toctree" in line and page.name == "index.rst"


def warnings(tree, log):
    """Yield the warnings that name a changed file, except for artefacts."""
    names = changed(tree)
    lines = dict.fromkeys(log.read_text(errors="replace").splitlines())
    for line in filter(WARNING.search, lines):
        words = re.findall(r"[\w./-]*\w", line)
        found = [name for word in words for name in names if f"/{word}".endswith(f"/{name}")]
        if found and not is_artefact(tree, found[0], line):
            yield line


def check(tree, out, log):
    """Print unbuilt pages and warnings; return whether there are none of either."""
    missing = [f"{page}: not built" for page in changed_pages(tree)
               if not (out / page.with_suffix(".html")).is_file()]
    found = [*missing, *warnings(tree, log)]
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return not found
