#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Pack the initramfs of a guest: busybox, jobs, selftests, kernel modules.
# usage: initramfs.sh TREE KERNEL_BUILD OUT.cpio.gz [SELFTEST_TREE]
# The environment may set ARCH and CROSS_COMPILE.
# The percpu_defer selftests are those of SELFTEST_TREE; default: TREE.
set -eu
. "$(dirname -- "$0")/common.sh"

[ $# -ge 3 ] || die "usage: initramfs.sh TREE KERNEL_BUILD OUT.cpio.gz [SELFTEST_TREE]"
kernel=$2
out=$3
selftests=${4:-$1}
root=$out.root

rm -rf "$root"
mkdir -p "$root/bin" "$root/job" "$root/kselftest" "$out.selftests"
log=$out.log
make -C "$selftests/tools/testing/selftests/percpu_defer" \
	OUTPUT="$out.selftests" LDLIBS=-static all >"$log" 2>&1 ||
	{ tail -n 20 "$log" >&2; die "the selftests do not build (see $log)"; }
make -C "$1/tools/testing/selftests/cgroup" OUTPUT="$out.selftests" \
	LDLIBS=-static "$out.selftests/test_zswap" >>"$log" 2>&1 ||
	{ tail -n 20 "$log" >&2; die "the kernel's selftests do not build (see $log)"; }

cp "$("$HARNESS/machine/busybox.sh")" "$root/bin/busybox"
cp "$HARNESS/guest/init" "$root/init"
cp "$HARNESS"/guest/*.sh "$root/job/"
find "$out.selftests" -maxdepth 1 -type f -exec cp -t "$root/job" {} +
cp "$selftests"/tools/testing/selftests/percpu_defer/*.sh "$root/job/"
cp "$1/tools/testing/selftests/kselftest/ktap_helpers.sh" "$root/kselftest/"
cp -r "$1/tools/testing/selftests/zram" "$root/job/zram"
make -C "$1" O="$kernel" INSTALL_MOD_PATH="$root" INSTALL_MOD_STRIP=1 \
	modules_install >>"$log" 2>&1 || die "cannot install the modules (see $log)"
chmod +x "$root/init" "$root"/job/*.sh

(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$out.tmp"
mv "$out.tmp" "$out"
rm -rf "$root"
