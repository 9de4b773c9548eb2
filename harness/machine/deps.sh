#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Check that build/ is usable, and install the packages that the harness needs. With an
# argument "arm64", "cross", "dkms", "docs", "lint", "report", "series" or "suites", also
# install the packages for that job.
set -eu
. "$(dirname -- "$0")/common.sh"

# libpython3-dev contains the shared library that spatch needs to run Python scripts.
PACKAGES='bc bison busybox-static coccinelle cpio debian-archive-keyring flex gcc git
	kmod libc6-dev libelf-dev libpython3-dev make python3 qemu-system-x86 spin
	tar xz-utils'
ARM64_PACKAGES='gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm'
# A 64-bit gcc for x86 compiles for 32 bits without additional packages.
CROSS_PACKAGES='gcc-aarch64-linux-gnu gcc-riscv64-linux-gnu gcc-s390x-linux-gnu
	gcc-sparc64-linux-gnu'
DKMS_PACKAGES='debhelper debootstrap dh-dkms'
DOCS_PACKAGES='python3-sphinx python3-yaml'
LINT_PACKAGES='codespell perl pyflakes3 shellcheck'
SERIES_PACKAGES='perl python3-git python3-ply'
SUITES_PACKAGES='bash bc coreutils e2fsprogs fio libcap-dev libnuma-dev liburing-dev rsync
	stress-ng'
REPORT_PACKAGES='gnuplot-nox python3-markdown'

case ${1-} in
arm64) PACKAGES="$PACKAGES $ARM64_PACKAGES" ;;
cross) PACKAGES="$PACKAGES $CROSS_PACKAGES" ;;
dkms) PACKAGES="$PACKAGES $DKMS_PACKAGES" ;;
docs) PACKAGES="$PACKAGES $DOCS_PACKAGES" ;;
lint) PACKAGES="$PACKAGES $LINT_PACKAGES" ;;
report) PACKAGES="$PACKAGES $REPORT_PACKAGES" ;;
series) PACKAGES="$PACKAGES $SERIES_PACKAGES" ;;
suites) PACKAGES="$PACKAGES $SUITES_PACKAGES" ;;
esac

need_build

missing() {
	for package in $PACKAGES; do
		status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
		[ "$status" = installed ] || printf '%s ' "$package"
	done
}

command -v dpkg-query >/dev/null ||
	die "this is not Debian; install the equivalents of: $(echo "$PACKAGES" | xargs)"
need=$(missing | xargs)
[ -n "$need" ] || exit 0

if [ "$(id -u)" = 0 ]; then
	root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	root=sudo
else
	die "no right to install packages; as root: apt-get install $need"
fi

# shellcheck disable=SC2086 # a list
install() {
	$root apt-get update &&
	$root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends $need
}

stage "install $need"
log=$BUILD/log/apt.log
mkdir -p "$BUILD/log"
install >"$log" 2>&1 || {
	tail -n 5 "$log" >&2
	die "cannot install the packages (see $log); network? as root: apt-get install $need"
}
