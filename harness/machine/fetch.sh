#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Fetch the distribution's kernel source unless it exists; print its path.
# usage: fetch.sh [VERSION]     VERSION is 7.3 (default), 7.2, 6.12, ...
set -eu
. "$(dirname -- "$0")/common.sh"
. "$(dirname -- "$0")/apt.sh"

VERSION=${1:-7.3}
# Suites to search: 7.x is in suites that are newer than the host's; trixie keeps its 6.x kernel
# permanently.
case $VERSION in
6.*) SUITES=trixie wanted=linux-source-$VERSION ;;
*) SUITES='sid forky trixie-backports' wanted="linux-source-$VERSION or newer" ;;
esac

# Print the version of the package to use: the requested version, or the next newer 7.x. A 6.x
# version has no fallback, because the overlay is adapted to this version only.
choose_package() {
	apt apt-cache search --names-only '^linux-source-[0-9]+[.][0-9]+$' |
		sed 's/ .*//; s/linux-source-//' | sort -V |
		awk -v want="$VERSION" '{
			split($1, a, "."); split(want, b, ".")
			if (a[1] == b[1] && (a[2] == b[2] || a[2] > b[2] && b[1] > 6)) {
				print $1; exit
			}
		}'
}

# unpack DEB TREE: unpack the kernel source; TREE exists only if it is complete
unpack() {
	need_space "$BUILD" 4000 "the kernel source"
	rm -rf "$2.tmp"
	mkdir -p "$2.tmp"
	dpkg-deb --fsys-tarfile "$1" |
		tar -xOf - --wildcards './usr/src/linux-source-*.tar.xz' |
		tar -xJf - -C "$2.tmp" --strip-components=1 ||
		die "cannot unpack $1: remove it and try again"
	mv "$2.tmp" "$2"
}

tree=$BUILD/src/linux-$VERSION
if [ -f "$tree/Makefile" ]; then
	echo "$tree"
	exit 0
fi

mkdir -p "$BUILD/src" "$BUILD/dl"
need_space "$BUILD" 5000 "the kernel source"
stage "fetch linux-source-$VERSION from the distribution"
update_lists "$SUITES"
found=$(choose_package)
[ -n "$found" ] || die "the distribution has no $wanted: give KSRC=<kernel tree>"
[ "$found" = "$VERSION" ] || stage "linux-source-$VERSION is gone, taking $found"
tree=$BUILD/src/linux-$found
if [ ! -f "$tree/Makefile" ]; then
	rm -f "$BUILD"/dl/linux-source-"$found"_*.deb
	(cd "$BUILD/dl" && apt apt-get download "linux-source-$found" >&2) ||
		die "cannot download linux-source-$found: network? or give KSRC=<kernel tree>"
	stage "unpack linux-source-$found"
	unpack "$BUILD"/dl/linux-source-"$found"_*.deb "$tree"
	rm -f "$BUILD"/dl/linux-source-"$found"_*.deb
fi
echo "$tree"
