# SPDX-License-Identifier: GPL-2.0
"""Build a Debian package that builds zram and the library with DKMS."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from overlay import apply
from shared import BUILD, HARNESS, TOP, Error, script, stage

HERE = HARNESS / "dkms"
NAME = "zram-percpu-defer"
KERNELS = ("6.12", "7.3")     # tested kernels of the distribution
MAINTAINER = "percpu_defer <root@localhost>"
# Fixed date, for reproducible builds.
DATE = "Thu, 01 Jan 2026 00:00:00 +0000"
# Files of a tree, and their directory below that of DKMS.
FILES = {"drivers/block/zram/*.[ch]": ".",
         "lib/percpu_defer.[ch]": ".",
         "lib/percpu_defer_core.c": ".",
         "lib/percpu_defer_map.c": ".",
         "include/linux/percpu_defer*.h": "include/linux",
         "include/trace/events/percpu_defer.h": "include/trace/events"}
OURS = ("module.c", "stock.h")
TEST_HOOKS = "CONFIG_PERCPU_DEFER_PERTURB"


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, **more)
    if done.returncode:
        raise Error(f"{command[0]} failed: {done.stdout.strip()[-2000:]}")


def copy_files(tree, out):
    for pattern, name in FILES.items():
        found = sorted(tree.glob(pattern))
        if not found:
            raise Error(f"{tree}: no {pattern}: was percpu_defer applied?")
        (out / name).mkdir(parents=True, exist_ok=True)
        for path in found:
            shutil.copyfile(path, out / name / path.name)
    for name in OURS:
        shutil.copyfile(HERE / name, out / name)
    # An object must not have the name of its module.
    (out / "percpu_defer.c").rename(out / "percpu_defer_objects.c")


def drop_test_hooks(out):
    """Remove the test hooks. unifdef exits with 1 if it has changed a file."""
    for path in [*out.glob("*.[ch]"), *out.glob("include/*/*.h")]:
        done = subprocess.run(["unifdef", "-m", f"-U{TEST_HOOKS}", path],
                              capture_output=True, text=True)
        if done.returncode > 1:
            raise Error(f"unifdef: {done.stderr.strip()}")


def fill_in(name, target, **words):
    text = (HERE / name).read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod((HERE / name).stat().st_mode)


def make_sources(tree, out, version):
    """Generate the sources that DKMS builds for the kernel of a tree."""
    copy_files(tree, out)
    fill_in("Kbuild", out / "Kbuild", VERSION=version)
    drop_test_hooks(out)
    for patch in sorted(HERE.glob("*.c.cocci")):
        path = out / patch.stem
        before = path.read_text()
        run("spatch", "--very-quiet", "--sp-file", patch, "--in-place", path)
        if path.read_text() == before:
            raise Error(f"{patch.name} does not match {apply.kernel_version(tree)}")


def make_debian(top, version, releases):
    """Add the files of a Debian source package to the contents of `top`."""
    package = f"{NAME}-dkms"
    fill_in("debian/control", top / "debian/control", MAINTAINER=MAINTAINER,
            VERSIONS=", ".join(releases))
    for name in ("debian/rules", "debian/copyright"):
        fill_in(name, top / name)
    fill_in("debian/postinst", top / f"debian/{package}.postinst")
    fill_in("install_module", top / "install_module", VERSION=version)
    # The name sorts after dkms and before the hook that builds the initramfs.
    hook = f"dkms-{NAME}"
    fill_in("kernel_hook", top / hook)
    pattern = "|".join(map(re.escape, releases))
    fill_in("dkms.conf", top / f"debian/{package}.dkms", RELEASES=pattern)
    (top / f"debian/{package}.install").write_text(
        f"src usr/src/{NAME}-{version}/\ncheck.sh usr/src/{NAME}-{version}/\n"
        f"{hook} etc/kernel/postinst.d/\n{hook} etc/kernel/header_postinst.d/\n"
        f"install_module usr/lib/{NAME}/\n")
    (top / "debian/changelog").write_text(
        f"{NAME} ({version}) unstable; urgency=low\n\n  * As in the repository.\n\n"
        f" -- {MAINTAINER}  {DATE}\n")


def make(out, version, trees):
    """Build the package; return its path."""
    releases = [apply.kernel_version(tree) for tree in trees]
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder) / NAME
        for name, tree in zip(releases, trees, strict=True):
            make_sources(tree, top / "src" / name, version)
        shutil.copy(HERE / "check.sh", top)
        make_debian(top, version, releases)
        run("dpkg-buildpackage", "--no-sign", "--build=binary", cwd=top,
            env=os.environ | {"SOURCE_DATE_EPOCH": "1767225600"})
        deb = pathlib.Path(folder) / f"{NAME}-dkms_{version}_all.deb"
        out.mkdir(parents=True, exist_ok=True)
        target = out / deb.name
        shutil.copyfile(deb, target.with_suffix(".tmp"))
        os.replace(target.with_suffix(".tmp"), target)
    return target


def version_of(only):
    """Return the version of the package, which increases with later commits."""
    git = ["git", "-C", TOP]
    date = subprocess.run([*git, "show", "-s", "--format=%cd", "--date=format:%Y%m%d.%H%M%S"],
                          capture_output=True, text=True)
    if date.returncode:
        raise Error(f"{TOP} is no git repository: clone it, the version comes from there")
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD"]).returncode
    return "2.0+" + "+".join([date.stdout.strip(), *(["changed"] if changed else ()),
                              *([f"only.{'.'.join(only)}"] if only else ())])


def build(only=()):
    """Build the package for these kernels of the distribution; default: all tested ones."""
    script("machine/deps.sh", "dkms")
    version, trees = version_of(only), []
    for kernel in only or KERNELS:
        source = pathlib.Path(script("machine/fetch.sh", kernel))
        trees.append(BUILD / f"tree/dkms-{source.name.removeprefix('linux-')}")
        stage(f"apply percpu_defer to Linux {kernel}")
        apply.apply(source, trees[-1], False, False)
    stage("make the package")
    return make(BUILD, version, trees)
