# SPDX-License-Identifier: GPL-2.0
"""Kernel sources, the trees made from them, and kernels of each kind to boot."""

import functools
import hashlib
import os
import pathlib
import types

from checks import kcsan
from machine import uml, vm
from overlay import apply
from shared import BUILD, HARNESS, script, stage

# Kernels to test: {kind: fragments in harness/config}.
KINDS = {
    "plain": ("x86_64", "symbols"),
    "kasan": ("x86_64", "debug", "torture", "kasan"),
    "kcsan": ("x86_64", "debug", "torture", "kcsan"),
    "perturb": ("x86_64", "perturb", "torture"),
    "nohz": ("x86_64", "nohz"),
    "sync": ("x86_64", "sync"),
    "rt": ("x86_64", "debug", "torture", "rt"),
    "arm64": ("arm64", "debug", "torture"),
}


class Source:
    """Kernel source: the user's own or the distribution's."""

    def __init__(self, args):
        if args.ksrc:
            self.tree = args.ksrc.expanduser().resolve()
            self.name = f"own-{hashlib.sha256(bytes(self.tree)).hexdigest()[:8]}"
        else:
            self.tree = pathlib.Path(script("machine/fetch.sh", args.kernel))
            self.name = self.tree.name.removeprefix("linux-")
        self.own = bool(args.ksrc)

    def patched_tree(self, out=None, force=True):
        """Make the patched tree; return its path. force: accept an untested version."""
        out = out or BUILD / "tree" / f"patched-{self.name}"
        stage("apply percpu_defer to the kernel")
        apply.apply(self.tree, out, False, force)
        return out

    def identity(self):
        """Return a string that changes whenever the kernel source changes."""
        return apply.origin(self.tree).strip() if self.own else apply.kernel_version(self.tree)

    def base_tree(self):
        """Return an unmodified tree: the fetched tree itself, or a copy of the user's tree."""
        if not self.own:
            return self.tree
        out = BUILD / "tree" / f"base-{self.name}"
        apply.apply(self.tree, out, True)
        return out


def version_fragment(tree):
    """Return a list of the configuration fragment for this version, or an empty list."""
    name = ".".join(apply.kernel_version(tree).split(".")[:2])
    return [name] if (HARNESS / f"config/{name}.config").exists() else []


class Kernel:
    """Built kernel and its initramfs."""

    def __init__(self, name, tree, fragments, selftests, pristine=None):
        self.tree, self.arch, env = tree, vm.X86_64, None
        if "arm64" in fragments:
            self.arch = vm.ARM64
            env = os.environ | {"ARCH": "arm64", "CROSS_COMPILE": "aarch64-linux-gnu-"}
            script("machine/deps.sh", "arm64")
        self.out = out = BUILD / "kernel" / name
        script("machine/build.sh", tree, out, *fragments, *version_fragment(tree), env=env)
        self.image = out / self.arch.image
        self.initramfs = out.with_name(name + ".cpio.gz")
        self.version = (out / "include/config/kernel.release").read_text().strip()
        script("machine/initramfs.sh", tree, out, self.initramfs, selftests, env=env)
        self.is_foreign_race = kcsan.Races(out, pristine, tree).is_foreign \
            if "kcsan" in fragments else None

    def run(self, job, params, **more):
        return vm.run(self.image, self.initramfs, job, params, arch=self.arch,
                      is_foreign_race=self.is_foreign_race, **more)


def patched_kernel(source, change=lambda tree: None, kind="plain"):
    tree = source.patched_tree()
    change(tree)
    return Kernel(f"{kind}-{source.name}", tree, ("common", "patched", *KINDS[kind]),
                  tree, source.tree)


def base_kernel(source, selftests):
    return Kernel(f"base-{source.name}", source.base_tree(), ("common", *KINDS["plain"]),
                  selftests)


def native_kernels(source, patched):
    """Build both kernels for user-mode Linux; they run the initramfs of the patched kernel."""
    def build(name, tree, *fragments):
        out = BUILD / "kernel" / f"{name}-{source.name}"
        script("machine/build.sh", tree, out, *fragments, env=os.environ | {"ARCH": "um"})
        return types.SimpleNamespace(
            run=functools.partial(uml.run, out / "linux", patched.initramfs))
    return types.SimpleNamespace(base=build("um-base", source.base_tree(), "um"),
                                 patched=build("um", patched.tree, "um", "um-patched"))


def suites_kernels(source):
    """Build the kernels for the suites; "suites" may override options of the mm selftests."""
    patched, base = source.patched_tree(), source.base_tree()

    def build(name, tree, *more):
        return Kernel(f"{name}-{source.name}", tree,
                      ("common", *KINDS["plain"], tree / "tools/testing/selftests/mm/config",
                       "suites", *more), patched)
    return {"base": build("suites-base", base), "patched": build("suites", patched, "patched")}
