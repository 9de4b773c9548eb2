# SPDX-License-Identifier: GPL-2.0
"""Build kernels by kind, to boot them."""

import os
import types

from checks import kcsan
from machine import uml, vm
from overlay import apply
from shared import BUILD, HARNESS, script

# Kernels to test: kind, and its fragments in harness/config.
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


def version_fragment(tree):
    """Return the fragment with version-specific configuration, as a list."""
    name = ".".join(apply.kernel_version(tree).split(".")[:2])
    return [name] if (HARNESS / f"config/{name}.config").exists() else []


class Kernel:
    """Built kernel and its initramfs."""

    def __init__(self, name, tree, fragments, selftests, pristine=None):
        self.tree = tree
        self.arch = vm.X86_64
        env = os.environ.copy()
        if "arm64" in fragments:
            self.arch = vm.ARM64
            env |= {"ARCH": "arm64", "CROSS_COMPILE": "aarch64-linux-gnu-"}
            script("machine/deps.sh", "arm64")
        self.out = out = BUILD / "kernel" / name
        script("machine/build.sh", tree, out, *fragments, *version_fragment(tree), env=env)
        self.image = out / self.arch.image
        self.initramfs = out.with_name(name + ".cpio.gz")
        self.version = (out / "include/config/kernel.release").read_text().strip()
        script("machine/initramfs.sh", tree, out, self.initramfs, selftests, env=env)

        self.is_foreign_race = None
        if "kcsan" in fragments:
            self.is_foreign_race = kcsan.Races(out, pristine, tree).is_foreign

    def run(self, job, params, **more):
        more.setdefault("is_foreign_race", self.is_foreign_race)
        return vm.run(self.image, self.initramfs, job, params, arch=self.arch, **more)


def patched_kernel(source, change=lambda tree: None, kind="plain"):
    tree = source.patched_tree()
    change(tree)
    return Kernel(f"{kind}-{source.name}", tree, ("common", "patched", *KINDS[kind]),
                  tree, source.tree)


def base_kernel(source, selftests):
    return Kernel(f"base-{source.name}", source.base_tree(),
                  ("common", "x86_64", "symbols"), selftests)


def native_kernels(source, patched):
    """Build both kernels for user-mode Linux, with the programs of the patched kernel."""
    env = os.environ | {"ARCH": "um"}

    def build(name, tree, *fragments):
        out = BUILD / "kernel" / f"{name}-{source.name}"
        script("machine/build.sh", tree, out, *fragments, env=env)
        return uml.Kernel(out, patched.initramfs)
    return types.SimpleNamespace(base=build("um-base", source.base_tree(), "um"),
                                 patched=build("um", patched.tree, "um", "um-patched"))


def suites_kernels(source):
    """Build the kernels for the suites; the options of the mm selftests come first."""
    patched, base = source.patched_tree(), source.base_tree()

    def build(name, tree, *more):
        return Kernel(f"{name}-{source.name}", tree,
                      ("common", *KINDS["plain"], tree / "tools/testing/selftests/mm/config",
                       "suites", *more), patched)
    return {"base": build("suites-base", base),
            "patched": build("suites", patched, "patched")}
