#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build the library as a module, to check that it uses exported symbols only.
#
# usage: modular.sh TREE KERNEL OUT
#
# KERNEL is the build directory of TREE. OUT is the directory to build in, which is emptied
# first.
set -eu
. "$(dirname -- "$0")/common.sh"

[ $# = 3 ] || die "usage: modular.sh TREE KERNEL OUT"
lib=$1/lib kernel=$2 out=$3

rm -rf "$out"
mkdir -p "$out"
cp "$lib/percpu_defer.c" "$lib/percpu_defer_core.c" "$lib/percpu_defer_map.c" \
	"$lib/percpu_defer.h" "$out"
cat >"$out/module.c" <<'END'
#include <linux/module.h>
MODULE_DESCRIPTION("percpu_defer as a module");
MODULE_LICENSE("GPL");
END
# Disable the exports of the module, because the kernel exports the same names.
cat >"$out/Kbuild" <<'END'
obj-m := percpu_defer_modular.o
percpu_defer_modular-y := module.o percpu_defer_core.o percpu_defer.o percpu_defer_map.o
ccflags-y := -D__DISABLE_EXPORTS
END
make -C "$kernel" M="$(realpath "$out")" modules >"$out.log" 2>&1 || {
	grep -i error "$out.log" >&2
	die "the library does not build as a module: see $out.log"
}
