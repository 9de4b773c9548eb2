#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Configure and build a kernel out of tree.
# usage: build.sh TREE OUT FRAGMENT...
# FRAGMENT is a name in harness/config, or a path.
# The environment may set ARCH and CROSS_COMPILE.
# Nothing is printed on stdout.
set -eu
. "$(dirname -- "$0")/common.sh"

[ $# -ge 3 ] || die "usage: build.sh TREE OUT FRAGMENT..."
tree=$1
out=$2
shift 2
log=$out.log
# Approximate number of lines that a build prints, for the progress report.
usual_steps=1900

# Report progress until the build ends. --pid makes tail exit even if this script is killed:
# tail inherits the lock of run.py, and would keep it.
show_progress() {
	step=0
	tail -f -n +1 --pid="$build" "$log" | while read -r _; do
		step=$((step + 1))
		[ $((step % 100)) != 0 ] || stage "  build: step $step of about $usual_steps"
	done
}

# stop CODE: kill make, which stops its own children; wait for all children, and exit
# shellcheck disable=SC2317 # called by traps
stop() {
	trap '' INT TERM HUP
	kill $build 2>/dev/null || true
	wait
	exit "$1"
}

case ${ARCH-} in
arm64) image=Image ;;
um) image=linux ;;
*) image=bzImage ;;
esac

mkdir -p "$out"
need_space "$out" 2000 "a kernel build"
"$HARNESS/machine/configure.sh" "$tree" "$out" "$@"
stage "build $(basename "$out") (log: $log)"
build=
trap 'stop 130' INT
trap 'stop 143' TERM HUP
: >"$log"
# Run make in the background: a shell runs no traps while it waits for a foreground command.
make -C "$tree" O="$out" -j"$JOBS" "$image" modules >"$log" 2>&1 &
build=$!
show_progress &
code=0
wait $build || code=$?
wait
[ $code = 0 ] || {
	grep -m 20 -iE 'error|undefined' "$log" >&2 || tail -n 20 "$log" >&2
	die "the kernel does not build (see $log)"
}
