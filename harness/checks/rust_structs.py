# SPDX-License-Identifier: GPL-2.0
"""Find structs that Rust code fills field by field and whose fields are changed.

A struct literal in Rust names every field or ends in "..base". A literal of a C struct that
names every field no longer compiles once a field is added or removed.
"""

import re

from checks.lint_common import Finding

COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.S)
IMPORT = re.compile(r"\buse\s+[\w:]*\b(?:bindings|uapi)::(\{[^}]*\}|\w+)")
# Types and impl blocks, which are also followed by a brace.
NO_LITERAL = re.compile(r"(->|\bfor\b|\bimpl\b|\bstruct\b)[^;{}(),=]*$")
STRUCT = re.compile(r"\bstruct\s+(\w+)\s*\{")
FOLDERS = ("rust", "drivers", "samples")


def blank(text):
    """Blank comments and strings; keep all positions."""
    return COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def braced(text, start):
    """Return the text from start, just after a brace, to the matching brace."""
    depth = 1
    for brace in re.finditer(r"[{}]", text[start:]):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return text[start:start + brace.start()]
    return text[start:]


def outermost(text):
    """Return the text outside of brackets."""
    while (shorter := re.sub(r"\{[^{}]*\}|\([^()]*\)|\[[^][]*\]", " ", text)) != text:
        text = shorter
    return text


def literals(text):
    """Return (line, struct) of each literal of a C struct that names every field."""
    text = blank(text)
    names = {name for names in IMPORT.findall(text) for name in re.findall(r"\w+", names)}
    known = "|".join([r"\b(?:bindings|uapi)::\w+",
                      *(rf"(?<![\w:]){name}" for name in sorted(names))])
    for found in re.finditer(rf"({known})\s*\{{", text):
        if NO_LITERAL.search(text[max(0, found.start() - 200):found.start()]):
            continue
        if not re.search(r"(^|,)\s*\.\.", outermost(braced(text, found.end()))):
            name = re.sub(r"__bindgen_ty_\d+$", "", found[1].split("::")[-1])
            yield text.count("\n", 0, found.start()) + 1, name


def fields(body):
    """Return the sorted names of the fields that a struct body declares."""
    body = re.sub(r"(?m)^\s*#.*$", "", body)
    body = re.sub(r"\b(struct|union|enum)\s*\w*\s*\{", ";", body).replace("}", ";")
    names = []
    for declaration in body.split(";"):
        if pointer := re.search(r"\(\s*\*+\s*(?:const\s+)?(\w+)", declaration):
            names.append(pointer[1])
            continue
        names += re.findall(r"(\w+)\s*(?:\[[^]]*\]\s*|:\s*\w+\s*)*(?:,|$)",
                            declaration.strip())
    return sorted(names)


def structs(header):
    """Map the structs in a header to the names of their fields."""
    text = blank(header)
    return {found[1]: fields(braced(text, found.end()))
            for found in STRUCT.finditer(text)}


def changed(base, patched):
    """Return (struct, added fields, removed fields) for structs in both headers."""
    old, new = structs(base), structs(patched)
    for name in sorted(old.keys() & new.keys()):
        added = [field for field in new[name] if field not in old[name]]
        removed = [field for field in old[name] if field not in new[name]]
        if added or removed:
            yield name, added, removed


def all_literals(tree):
    """Map struct names to the places that name each of their fields."""
    places = {}
    for folder in FOLDERS:
        for path in sorted((tree / folder).rglob("*.rs")):
            for line, name in literals(path.read_text()):
                places.setdefault(name, []).append((str(path.relative_to(tree)), line))
    return places


def check(base, patched, headers):
    """Return findings in a tree's Rust code; headers are the paths of changed headers."""
    places = all_literals(base)
    if "block_device_operations" not in places:
        raise OSError("rust/: no literal of struct block_device_operations found; "
                      "adapt rust_structs.py to this kernel")
    for header in headers:
        for name, added, removed in changed((base / header).read_text(),
                                            (patched / header).read_text()):
            what = [f"adds '{field}'" for field in added] + \
                   [f"removes '{field}'" for field in removed]
            for path, line in places.get(name, ()):
                yield Finding(path, line, f"names every field of struct {name}, and "
                              f"{header} {', '.join(what)}; leave its fields alone")
