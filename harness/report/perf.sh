#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Packs the distribution's perf for the guest, with the libraries it needs, and
# prints where the archive is. It goes behind an initramfs.
set -eu
. "$(dirname -- "$0")/../machine/common.sh"
. "$(dirname -- "$0")/../machine/pack.sh"

out=$BUILD/perf.cpio.gz
"$HARNESS/machine/deps.sh" perf
if [ ! -f "$out" ]; then
	rm -rf "$out.root"
	mkdir -p "$out.root/bin"
	cp /usr/bin/perf "$out.root/bin/"
	pack_libraries "$out.root" /usr/bin/perf
	pack_archive "$out.root" "$out"
fi
echo "$out"
