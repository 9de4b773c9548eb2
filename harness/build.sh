#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Configures and builds a kernel out of tree.
# usage: build.sh TREE OUT FRAGMENT...
# A FRAGMENT is the name of one in harness/config, or a path.
# For ARCH with CROSS_COMPILE, if they are in the environment.
# Prints nothing on stdout.
set -eu
. "$(dirname -- "$0")/common.sh"

[ $# -ge 3 ] || die "usage: build.sh TREE OUT FRAGMENT..."
tree=$1
out=$2
shift 2
log=$out.log
# What a build prints, line by line; only to say how far it is.
usual_steps=1900

show_progress() {
	while sleep 15; do
		stage "  build: step $(wc -l <"$log") of about $usual_steps"
	done
}

case ${ARCH-} in
arm64) image=Image ;;
*) image=bzImage ;;
esac

mkdir -p "$out"
need_space "$out" 2000 "a kernel build"
"$HARNESS/configure.sh" "$tree" "$out" "$@"
stage "build $(basename "$out") (log: $log)"
show_progress &
progress=$!
trap 'kill $progress 2>/dev/null' EXIT INT TERM
make -C "$tree" O="$out" -j"$JOBS" "$image" modules >"$log" 2>&1 || {
	grep -m 20 -iE 'error|undefined' "$log" >&2 || tail -n 20 "$log" >&2
	die "the kernel does not build (see $log)"
}
