# SPDX-License-Identifier: GPL-2.0
"""Build a Debian package that builds zram and the library with DKMS."""

import pathlib
import re
import shutil
import tempfile

from overlay import apply
from shared import BUILD, HARNESS, TOP, Error, run, script, stage

HERE = HARNESS / "dkms"
NAME = "zram-percpu-defer"
KERNELS = ("6.12", "7.3")     # tested kernels of the distribution
MAINTAINER = "percpu_defer <root@localhost>"
# Fixed date, for reproducible builds.
DATE = "Thu, 01 Jan 2026 00:00:00 +0000"
# Files of a patched tree, and their directory in the DKMS sources.
FILES = {"drivers/block/zram/*.[ch]": ".",
         "lib/percpu_defer.[ch]": ".",
         "lib/percpu_defer_core.c": ".",
         "lib/percpu_defer_map.c": ".",
         "include/linux/percpu_defer*.h": "include/linux",
         "include/trace/events/percpu_defer.h": "include/trace/events"}


def fill_in(name, target, **words):
    text = (HERE / name).read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod((HERE / name).stat().st_mode)


def make_sources(tree, out, version):
    """Generate the sources that DKMS builds for the kernel of a tree."""
    for pattern, name in FILES.items():
        found = sorted(tree.glob(pattern))
        if not found:
            raise Error(f"{tree}: no {pattern}; apply percpu_defer first")
        (out / name).mkdir(parents=True, exist_ok=True)
        for path in found:
            shutil.copy(path, out / name)
    # An object file must not have the name of its module.
    (out / "percpu_defer.c").rename(out / "percpu_defer_objects.c")
    for name in ("module.c", "stock.h"):
        shutil.copy(HERE / name, out)
    fill_in("Kbuild", out / "Kbuild", VERSION=version)
    for patch in sorted(HERE.glob("*.c.cocci")):
        path = out / patch.stem
        before = path.read_text()
        run("spatch", "--very-quiet", "--sp-file", patch, "--in-place", path)
        if path.read_text() == before:
            raise Error(f"{patch.name} does not match {apply.kernel_version(tree)}")


def make_debian(top, version, releases):
    """Add the files of a Debian source package to the contents of `top`."""
    # The name of the hook sorts after dkms and before the hook that builds the initramfs.
    package, hook = f"{NAME}-dkms", f"dkms-{NAME}"
    words = {"MAINTAINER": MAINTAINER, "VERSION": version, "VERSIONS": ", ".join(releases),
             "RELEASES": "|".join(map(re.escape, releases))}
    for name, target in (
            ("debian/control", "debian/control"), ("debian/rules", "debian/rules"),
            ("debian/copyright", "debian/copyright"),
            ("debian/postinst", f"debian/{package}.postinst"),
            ("dkms.conf", f"debian/{package}.dkms"), ("kernel_hook", hook),
            ("install_module", "install_module"), ("check.sh", "check.sh")):
        fill_in(name, top / target, **words)
    (top / f"debian/{package}.install").write_text(
        f"src usr/src/{NAME}-{version}/\ncheck.sh usr/src/{NAME}-{version}/\n"
        f"{hook} etc/kernel/postinst.d/\n{hook} etc/kernel/header_postinst.d/\n"
        f"install_module usr/lib/{NAME}/\n")
    (top / "debian/changelog").write_text(
        f"{NAME} ({version}) unstable; urgency=low\n\n  * Build from the repository.\n\n"
        f" -- {MAINTAINER}  {DATE}\n")


def version_of_repository():
    """Return a version that increases with later commits."""
    git = ("git", "-C", TOP)
    date = run(*git, "log", "-1", "--format=%cd", "--date=format:%Y%m%d.%H%M%S").strip()
    changed = run(*git, "status", "--porcelain", "--untracked-files=no")
    return f"2.0+{date}+changed" if changed else f"2.0+{date}"


def patched_tree(kernel):
    source = pathlib.Path(script("machine/fetch.sh", kernel))
    tree = BUILD / f"tree/dkms-{source.name.removeprefix('linux-')}"
    stage(f"apply percpu_defer to Linux {kernel}")
    apply.apply(source, tree, False, False)
    return tree


def build():
    """Build the package for all tested kernels, in build/. Return its path."""
    script("machine/deps.sh", "dkms")
    version = version_of_repository()
    trees = {apply.kernel_version(tree): tree for tree in map(patched_tree, KERNELS)}
    stage("make the package")
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder) / NAME
        for name, tree in trees.items():
            make_sources(tree, top / "src" / name, version)
        make_debian(top, version, list(trees))
        run("dpkg-buildpackage", "--no-sign", "--build=binary", cwd=top)
        deb = f"{NAME}-dkms_{version}_all.deb"
        return shutil.copy(top.parent / deb, BUILD / f"{deb}.tmp").rename(BUILD / deb)
