# SPDX-License-Identifier: GPL-2.0
# Sourced by the harness scripts: paths, messages and checks.
# shellcheck shell=sh
# shellcheck disable=SC2034 # variables used by the scripts that source this

HARNESS=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
TOP=$(dirname -- "$HARNESS")
# Only tests of the harness set PD_BUILD.
BUILD=${PD_BUILD:-$TOP/build}
JOBS=$(nproc)

die() {
	echo "error: $*" >&2
	exit 1
}

# stage TEXT: print one line per stage, with the time since the command started
stage() {
	now=$(date +%s)
	PD_START=${PD_START:-$now}
	export PD_START
	printf '[%3d:%02d] %s\n' $(((now - PD_START) / 60)) \
		$(((now - PD_START) % 60)) "$*" >&2
}

# need_space DIR MEGABYTES WHAT: die unless this much space for WHAT is free below DIR
need_space() {
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] ||
		die "$3 needs $2 MB below $1, only $free MB are free: make room"
}

# need_build: die unless the build directory is writable and its path is valid for kernel builds
need_build() {
	case $TOP$BUILD in
	*[[:space:]:]*)
		die "$TOP: the kernel's make takes no path with blanks or colons; move the repository" ;;
	esac
	# Use a subshell to hide the shell's own error messages.
	(mkdir -p "$BUILD" && : >"$BUILD/.writable" && rm "$BUILD/.writable") 2>/dev/null ||
		die "$BUILD: cannot be written; clone the repository to where it can"
}
