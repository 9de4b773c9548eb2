#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build the added and changed documentation pages with the kernel's own tools, and check
# kernel-doc and the ABI files. docs_check.py searches the log for warnings.
# usage: docs.sh TREE PAGES      (PAGES: comma-separated)
# Print the directory of the built pages and the path of the log file.
set -eu
. "$(dirname -- "$0")/../machine/common.sh"

[ $# = 2 ] || die "usage: docs.sh TREE PAGES"
tree=$1 pages=$2
out=$BUILD/docs
log=$out.log

"$HARNESS/machine/deps.sh" docs
rm -rf "$out"
mkdir -p "$out"
stage "build the documentation (log: $log)"
make -C "$tree" O="$out" \
	SPHINXOPTS="-D include_patterns=$pages -D exclude_patterns=netlink" htmldocs \
	>"$log" 2>&1 ||
	{ tail -n 20 "$log" >&2; die "documentation: build failed (see $log)"; }

stage "check kernel-doc and the ABI files"
sed -n '2,${/percpu_defer.*\.[ch]$/p}' "$tree/.percpu_defer" |
	grep -E '^(include/linux|lib)/' | (cd "$tree" && xargs scripts/kernel-doc -none -Wall) \
	>>"$log" 2>&1 || die "kernel-doc failed (see $log)"
# get_abi.py exists in Linux 7.2 and newer, get_abi.pl in older versions.
for validate in tools/docs/get_abi.py scripts/get_abi.pl; do
	[ ! -f "$tree/$validate" ] || break
done
(cd "$tree" && "./$validate" --dir Documentation/ABI validate) >>"$log" 2>&1 ||
	die "$validate failed (see $log)"

echo "$out/Documentation/output" "$log"
