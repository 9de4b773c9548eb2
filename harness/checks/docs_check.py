# SPDX-License-Identifier: GPL-2.0
"""The pages that docs.sh builds, and the warnings about them.

The tree comes from make apply: its stamp names all files that are added or changed.
Only these pages are built, which takes seconds instead of an hour. A warning about a missing
page or label therefore counts only if the tree has none of that name.
"""

import functools
import pathlib
import re
import sys

from overlay import apply
from shared import Error

DOCS = pathlib.Path("Documentation")
WARNING = re.compile(r"WARNING|ERROR|error: |warning: |Warning: |Error: ")
ABSENT = re.compile(r"(?:toctree contains reference to (?:nonexisting|excluded) document"
                    r"|unknown document:) '([^']+)'")
UNLABELLED = re.compile(r"undefined label: '([^']+)'")
UNREACHED = "document isn't included in any toctree"


def changed(tree):
    """Return the files of the tree that are added or changed."""
    stamp = tree / apply.STAMP
    if not stamp.is_file():
        raise Error(f"{tree}: not made by make apply; give one that is")
    return [pathlib.Path(line) for line in stamp.read_text().splitlines()[1:]]


def changed_pages(tree):
    """Return the changed pages, relative to Documentation."""
    pages = [path.relative_to(DOCS) for path in changed(tree)
             if path.suffix == ".rst" and path.is_relative_to(DOCS)]
    if not pages:
        raise Error(f"{tree}: no changed page; apply the overlay first")
    return pages


def to_build(tree):
    """Return the changed pages and the indices above them."""
    pages = {pathlib.Path("index.rst"), *changed_pages(tree)}
    for page in list(pages):
        pages |= {folder / "index.rst" for folder in page.parents
                  if (tree / DOCS / folder / "index.rst").is_file()}
    return sorted(pages)


def exists(tree, page, document):
    """Return whether the tree has a document that is named in a page."""
    if document.startswith("/"):
        return (tree / DOCS / f"{document[1:]}.rst").is_file()
    # A toctree entry is relative to the top, a reference to its page.
    return any((folder / f"{document}.rst").is_file()
               for folder in (tree / DOCS, (tree / page).parent))


@functools.cache
def labels(tree):
    """Return all labels in the tree's documents, as Sphinx compares them."""
    return {label.lower() for path in (tree / DOCS).rglob("*.rst")
            for label in re.findall(r"^\s*\.\. _([^:`]+):\s*$",
                                    path.read_text(errors="replace"), re.M)}


def is_artefact(tree, page, line):
    """Return whether a warning is there only because other pages are not built."""
    if absent := ABSENT.search(line):
        return exists(tree, page, absent[1])
    if unlabelled := UNLABELLED.search(line):
        return unlabelled[1] in labels(tree)
    return UNREACHED in line and page.name == "index.rst"


def warnings(tree, log):
    """Return the lines that name a changed file at any position."""
    names = {str(path): path for path in changed(tree)}
    # Longest names first: the first alternative that matches wins.
    any_name = re.compile(r"(?:^|[\s/'\"(])(" + "|".join(
        map(re.escape, sorted(names, key=len, reverse=True))) + r")(?![\w./-]*\w)")
    for line in dict.fromkeys(log.read_text(errors="replace").splitlines()):
        found = WARNING.search(line) and any_name.search(line)
        if found and not is_artefact(tree, names[found[1]], line):
            yield line


def check(tree, out, log):
    """Print the problems; return whether there are none."""
    missing = [f"{page}: not built" for page in changed_pages(tree)
               if not (out / page.with_suffix(".html")).is_file()]
    found = [*missing, *warnings(tree, log)]
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return not found
