#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Configure a kernel for an out-of-tree build.
# usage: configure.sh TREE OUT FRAGMENT...
# FRAGMENT is a name in harness/config, or a path.
# The environment may set ARCH and CROSS_COMPILE.
# Nothing is printed on stdout.
set -eu
. "$(dirname -- "$0")/common.sh"

[ $# -ge 3 ] || die "usage: configure.sh TREE OUT FRAGMENT..."
tree=$1
out=$2
shift 2

fragments=
for fragment; do
	case $fragment in
	*/*) fragments="$fragments $fragment" ;;
	*) fragments="$fragments $HARNESS/config/$fragment.config" ;;
	esac
done

mkdir -p "$out"
# Run from the tree: merge_config.sh runs make in the current directory.
# shellcheck disable=SC2086 # a list of file names without blanks
(cd "$tree" && ./scripts/kconfig/merge_config.sh -n -Q -O "$out" $fragments) \
	>"$out.config.log" 2>&1 ||
	die "cannot configure the kernel (see $out.config.log)"
# Ignore unknown options that must not be set: merge_config.sh of older kernels reports them.
if awk '/not in final/ { what = $0 }
	/^Requested value:/ { asked = $0 }
	/^Actual value:/ && !(asked ~ / is not set$/ && NF == 2) {
		print what
		print asked
		found = 1
	}
	END { exit !found }' "$out.config.log" >&2; then
	die "this kernel lacks options the harness asks for (above)"
fi
