# SPDX-License-Identifier: GPL-2.0
# Sourced by the harness scripts: where things are, and how to speak.
# shellcheck shell=sh
# shellcheck disable=SC2034 # the variables are for the scripts that source this

HARNESS=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
TOP=$(dirname -- "$HARNESS")
# Elsewhere only in a test of the harness.
BUILD=${PD_BUILD:-$TOP/build}
JOBS=$(nproc)

die() {
	echo "error: $*" >&2
	exit 1
}

# One line per stage, with the time since the command began.
stage() {
	now=$(date +%s)
	PD_START=${PD_START:-$now}
	export PD_START
	printf '[%3d:%02d] %s\n' $(((now - PD_START) / 60)) \
		$(((now - PD_START) % 60)) "$*" >&2
}

# need_space DIR MEGABYTES WHAT
need_space() {
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] ||
		die "$3 needs $2 MB below $1, only $free MB are free: make room"
}

# need_build: the kernel can be built in this folder, and we may write there.
need_build() {
	case $TOP$BUILD in
	*[[:space:]:]*)
		die "$TOP: the kernel's make takes no path with blanks or colons; move the repository" ;;
	esac
	# The shell says why in lines of its own.
	(mkdir -p "$BUILD" && : >"$BUILD/.writable" && rm "$BUILD/.writable") 2>/dev/null ||
		die "$BUILD: cannot be written; clone the repository to where it can"
}
