#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Builds the documentation with the kernel's own tools; fails on any warning
# about a file of ours.
# usage: docs.sh TREE
set -eu
. "$(dirname -- "$0")/common.sh"

[ $# = 1 ] || die "usage: docs.sh TREE"
out=$BUILD/docs
log=$out.log

"$HARNESS/deps.sh" docs
mkdir -p "$out"
stage "build the documentation (log: $log)"
make -C "$1" O="$out" SPHINXDIRS=core-api htmldocs >"$log" 2>&1 ||
	{ tail -n 20 "$log" >&2; die "the documentation does not build (see $log)"; }
find "$TOP/include" "$TOP/lib" -name '*percpu_defer*.[ch]' ! -path '*/trace/*' |
	sed "s|$TOP/||" | xargs -I '{}' "$1/scripts/kernel-doc" -none -Wall "$1/{}" \
	>>"$log" 2>&1 || die "kernel-doc failed (see $log)"
! grep -E '(percpu_defer|zram|locking)[^ ]*: *([0-9]+: *)?(WARNING|ERROR|error|warning)' "$log" >&2 ||
	die "warnings about our documentation (above)"
! grep -E '(WARNING|ERROR|warning|error): [^ ]*percpu_defer' "$log" >&2 ||
	die "warnings about our documentation (above)"
page=$out/Documentation/output/core-api/percpu_defer.html
[ -f "$page" ] || die "the documentation has no page on percpu_defer (see $log)"
echo "$page"
