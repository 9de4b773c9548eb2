#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Makes the Debian package of zram and the library for DKMS, from the kernels of the
# distribution, and prints where it is.
# usage: dkms.sh [VERSION...]     as 6.12; those that were tested unless told
set -eu
. "$(dirname -- "$0")/common.sh"

"$HARNESS/deps.sh" dkms

# Later commits have larger numbers.
version=2.0+$(git -C "$TOP" show -s --format=%cd --date=format:%Y%m%d.%H%M%S 2>/dev/null) ||
	die "$TOP is no git repository: clone it, the version comes from there"
git -C "$TOP" diff --quiet HEAD || version=$version+changed
[ $# = 0 ] || version=$version+only$(printf '.%s' "$@")
[ $# -gt 0 ] || set -- 6.12 7.3

trees=
for kernel; do
	source=$("$HARNESS/fetch.sh" "$kernel")
	tree=$BUILD/tree/dkms-${source##*/linux-}
	stage "apply percpu_defer to Linux $kernel"
	"$HARNESS/apply.py" "$source" "$tree" >&2
	trees="$trees $tree"
done
stage "make the package"
# shellcheck disable=SC2086 # paths without blanks: see need_build
"$HARNESS/dkms_package.py" "$BUILD" "$version" $trees
