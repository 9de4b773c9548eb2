#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Pack the suites of "make test-others": the kernel's selftests, and programs of the
# distribution with their libraries. The archive will be appended to an initramfs.
# usage: rootfs.sh TREE OUT.cpio.gz
set -eu
. "$(dirname -- "$0")/common.sh"
. "$(dirname -- "$0")/pack.sh"

[ $# = 2 ] || die "usage: rootfs.sh TREE OUT.cpio.gz"
tree=$1
out=$2
root=$out.root
log=$out.log
# The kselftest runner looks for timeout and stdbuf in /usr/bin.
PROGRAMS='bash bc e2fsck fio mkfs.ext4 stdbuf stress-ng timeout'
TARGETS='mm cgroup'

# install_selftests: install the selftests below $root; remove the files that mm writes to $tree
install_selftests() {
	mm=$tree/tools/testing/selftests/mm
	trap 'rm -f "$mm/local_config.mk" "$mm/local_config.h_gen"' EXIT
	make -C "$tree" O="$out.build" -j"$JOBS" headers &&
		make -C "$tree/tools/testing/selftests" O="$out.build" -j"$JOBS" \
			TARGETS="$TARGETS" FORCE_TARGETS=1 INSTALL_PATH="$root/suites" install
}

# pack_program NAME: copy the program, or the target of a symlink, and its libraries to $root
pack_program() {
	path=$(command -v "$1") || die "$1: not found; install it"
	cp -L "$path" "$root/usr/bin/$1"
	pack_libraries "$root" "$path"
}

"$HARNESS/machine/deps.sh" suites
rm -rf "$root"
mkdir -p "$out.build" "$root/usr/bin" "$root/bin" "$root/usr/libexec"
stage "build the kernel's selftests: $TARGETS (log: $log)"
(install_selftests) >"$log" 2>&1 ||
	{ tail -n 20 "$log" >&2; die "the kernel's selftests do not build (see $log)"; }
for program in $PROGRAMS; do
	pack_program "$program"
done
ln -s ../usr/bin/bash "$root/bin/bash"
mkdir -p "$root/usr/libexec/coreutils"
cp /usr/libexec/coreutils/libstdbuf.so "$root/usr/libexec/coreutils/"
# The path has no blanks: see need_build.
# shellcheck disable=SC2046 # a list
pack_libraries "$root" $(find "$root/suites" -type f -perm -u+x)
pack_archive "$root" "$out"
