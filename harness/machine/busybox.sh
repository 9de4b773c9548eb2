#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print the path of a static busybox: that of the host, or, if the environment sets ARCH, a
# busybox for ARCH, which is fetched if necessary.
set -eu
. "$(dirname -- "$0")/common.sh"

[ -n "${ARCH-}" ] || { echo /bin/busybox; exit 0; }

APT_ARCH=$ARCH
. "$(dirname -- "$0")/apt.sh"

out=$BUILD/busybox-$ARCH
if [ ! -x "$out" ]; then
	stage "fetch busybox for $ARCH from the distribution"
	update_lists sid
	rm -rf "$out.tmp"
	mkdir -p "$out.tmp"
	(cd "$out.tmp" && apt apt-get download busybox-static >&2 &&
		dpkg-deb -x busybox-static_*.deb .) ||
		die "cannot download busybox-static for $ARCH: network?"
	# The package contains busybox in /bin or in /usr/bin.
	mv "$(find "$out.tmp" -type f -path '*bin/busybox' | head -n 1)" "$out"
	rm -rf "$out.tmp"
fi
echo "$out"
