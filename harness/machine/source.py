# SPDX-License-Identifier: GPL-2.0
"""Kernel sources, and the trees made from them."""

import hashlib
import pathlib

from overlay import apply
from shared import BUILD, script, stage


class Source:
    """Kernel source: the user's own or the distribution's."""

    def __init__(self, args):
        if args.ksrc:
            self.tree = args.ksrc.expanduser().resolve()
            tag = hashlib.sha256(str(self.tree).encode()).hexdigest()[:8]
            self.name = f"own-{tag}"
        else:
            self.tree = pathlib.Path(script("machine/fetch.sh", args.kernel))
            self.name = self.tree.name.removeprefix("linux-")
        self.own = bool(args.ksrc)

    def patched_tree(self, out=None, force=True):
        """Make the patched tree. force: accept an untested version, to test it."""
        out = out or BUILD / "tree" / f"patched-{self.name}"
        stage("apply percpu_defer to the kernel")
        apply.apply(self.tree, out, False, force)
        return out

    def identity(self):
        """Return a string that changes when the kernel source does."""
        return apply.origin(self.tree).strip() if self.own else \
            apply.kernel_version(self.tree)

    def base_tree(self):
        """Return an unmodified tree. A fetched tree is used directly, a user's is copied."""
        if not self.own:
            return self.tree
        out = BUILD / "tree" / f"base-{self.name}"
        apply.apply(self.tree, out, True)
        return out
