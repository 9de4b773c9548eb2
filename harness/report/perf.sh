#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Pack the distribution's perf and its libraries for the guest, and print the path of the
# archive. The archive is appended to an initramfs.
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
