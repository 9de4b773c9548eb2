#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Pack the initramfs of a guest with a stock kernel: busybox, jobs, programs, and the
# modules that DKMS installed in the root ROOT, with their dependencies.
# usage: initramfs.sh TREE ROOT RELEASE OUT.cpio.gz
# TREE is a patched kernel tree; the programs are its selftests.
set -eu
. "$(dirname -- "$0")/../machine/common.sh"
. "$(dirname -- "$0")/../machine/pack.sh"

[ $# = 4 ] || die "usage: initramfs.sh TREE ROOT RELEASE OUT.cpio.gz"
selftests=$1/tools/testing/selftests
from=$2
release=$3
out=$4
root=$out.root
log=$out.log

# build_programs: build the selftests and stock_rounds
build_programs() {
	for program in swap_reuse swap_unmap zram_dead zram_ops; do
		compile "$selftests/percpu_defer/$program.c" "$root/job/$program" || return
	done
	compile "$HARNESS/dkms/stock_rounds.c" "$root/job/stock_rounds"
}

# compile SOURCE PROGRAM
compile() {
	gcc -O2 -Wall -Wextra -static -pthread -I "$selftests" -I "$selftests/percpu_defer" \
		"$1" -o "$2"
}

# modules NAME...: print the files of the modules and of their dependencies
modules() {
	for module; do
		modprobe --dirname "$from" --set-version "$release" --show-depends "$module"
	done | awk '$1 == "insmod" { print $2 }' | sort -u
}

# copy_module FILE TARGET-DIRECTORY: decompress and copy, for busybox's insmod
copy_module() {
	case $1 in
	*.xz) xz -dc "$1" >"$2/$(basename -- "$1" .xz)" ;;
	*) cp "$1" "$2" ;;
	esac
}

# install_modules: copy the modules, and the stock zram module that root.sh saved
install_modules() {
	folder=$root/lib/modules/$release
	mkdir -p "$folder" "$root/stock"
	cp "$from/lib/modules/$release"/modules.builtin* \
		"$from/lib/modules/$release/modules.order" "$folder" &&
		needed=$(modules zram brd null_blk) || return
	for file in $needed; do
		copy_module "$file" "$folder" || return
	done
	copy_module "$from"/tmp/zram.ko* "$root/stock" &&
		depmod --basedir "$root" "$release"
}

rm -rf "$root"
mkdir -p "$root/bin" "$root/job"
: >"$log"
build_programs >>"$log" 2>&1 ||
	{ tail -n 20 "$log" >&2; die "programs: build failed (see $log)"; }
install_modules >>"$log" 2>&1 ||
	{ tail -n 20 "$log" >&2; die "modules of $release: packing failed (see $log)"; }
cp "$("$HARNESS/machine/busybox.sh")" "$root/bin/busybox"
cp "$HARNESS/guest/init" "$root/init"
cp "$HARNESS/guest/sections.sh" "$HARNESS"/dkms/guest/*.sh "$root/job/"
chmod +x "$root/init" "$root"/job/*.sh
pack_archive "$root" "$out"
