#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Packs the distribution's perf for the guest, with the libraries it needs, and
# prints where the archive is. It goes behind an initramfs.
set -eu
. "$(dirname -- "$0")/common.sh"

out=$BUILD/perf.cpio.gz
"$HARNESS/deps.sh" perf
if [ ! -f "$out" ]; then
	root=$out.root
	rm -rf "$root"
	mkdir -p "$root/bin"
	cp /usr/bin/perf "$root/bin/"
	ldd /usr/bin/perf | grep -o '/[^ ]*' | while read -r library; do
		mkdir -p "$root${library%/*}"
		cp -L "$library" "$root$library"
	done
	(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$out.tmp"
	mv "$out.tmp" "$out"
	rm -rf "$root"
fi
echo "$out"
