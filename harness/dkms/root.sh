#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Manage a root file system of the distribution below build/dkms, with a stock kernel, its
# headers and DKMS.
# usage: root.sh install VERSION DEB    install the package of "make dkms" as a user
#                                       would; print the root and the kernel release
#        root.sh remove VERSION         remove the package; expect the stock module
# VERSION is a full kernel version, e.g. 7.3.4.
set -eu
. "$(dirname -- "$0")/../machine/common.sh"
. "$(dirname -- "$0")/../machine/apt.sh"

case $#:${1-} in
3:install | 2:remove) ;;
*) die "usage: root.sh install VERSION DEB | remove VERSION" ;;
esac
job=$1
version=$2
deb=${3-}
[ "$(id -u)" = 0 ] || die "root.sh: not root; run sudo make ..."
# 7.x kernels come from the backports of Debian 13.
case $version in
6.*) suite=$(. /etc/os-release && echo "$VERSION_CODENAME") backports= ;;
*) suite=trixie backports=trixie-backports ;;
esac
package=zram-percpu-defer-dkms
root=$BUILD/dkms/root-$suite
log=$BUILD/log/dkms-$suite.log
mkdir -p "$BUILD/dkms" "$BUILD/log"

# in_root COMMAND...: run in the root, in a new mount namespace
in_root() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --fork sh -c '
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" &&
		exec chroot "$0" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"' \
		"$root" "$@" </dev/null >>"$log" 2>&1
}

# step TEXT COMMAND...: run the command; on failure, print the end of the log and die
step() {
	stage "$suite: $1 (log: $log)"
	shift
	"$@" || {
		tail -n 20 "$log" >&2
		die "$suite: command failed; see $log, and check the network"
	}
}

make_root() {
	rm -rf "$root.tmp"
	debootstrap --variant=minbase "$suite" "$root.tmp" "$(mirror)" >>"$log" 2>&1 || return
	# Use the host's sources, including security updates, if the suite is the host's.
	if [ -z "$backports" ]; then
		cp -r /etc/apt/sources.list* "$root.tmp/etc/apt/"
	else
		echo "deb $(mirror) $backports main" >>"$root.tmp/etc/apt/sources.list"
	fi
	find /etc/apt/apt.conf.d -name '*proxy*' -exec cp -t "$root.tmp/etc/apt/apt.conf.d" {} +
	mv "$root.tmp" "$root"
}

# find_release: print the newest release of VERSION that is available in the root
find_release() {
	chroot "$root" apt-cache search --names-only "^linux-headers-${version}[^ ]*-amd64\$" |
		sed 's/ .*//; s/linux-headers-//' | grep -v 'cloud\|rt' | sort -V | tail -n 1
}

# module_of NAME: print the path of the module that modprobe would load
module_of() {
	modinfo --basedir "$root" -k "$release" -F filename "$1"
}

# stock_module: print the path of the stock zram; die if modprobe would load another zram
stock_module() {
	module=$(module_of zram)
	case $module in
	*/kernel/*) echo "$module" ;;
	*) die "$release: the stock module is not restored; modprobe would load $module" ;;
	esac
}

install_package() {
	: >"$log"
	if [ ! -d "$root" ]; then
		need_space "$BUILD" 3000 "a root of $suite"
		step "create the root" make_root
	fi
	step "update the package lists" in_root apt-get -qq update
	release=$(find_release)
	[ -n "$release" ] || die "$suite has no headers of Linux $version"
	# shellcheck disable=SC2086 # empty, or an option and its value
	step "install Linux $release, its headers and DKMS" in_root \
		apt-get -qq -y ${backports:+-t $backports} install --no-install-recommends \
		dkms gcc libc6-dev make "linux-headers-$release" "linux-image-$release"
	if chroot "$root" dpkg-query -W "$package" >/dev/null 2>&1; then
		step "remove an earlier package" in_root apt-get -qq -y purge "$package"
	fi
	# Save the stock module before DKMS moves it away.
	stock=$(stock_module)
	cp "$stock" "$root/tmp/"
	cp "$deb" "$root/tmp/package.deb"
	step "install $(basename -- "$deb")" in_root apt-get -qq -y --reinstall \
		--allow-downgrades install --no-install-recommends /tmp/package.deb
	for module in percpu_defer zram; do
		case $(module_of $module) in
		*/updates/dkms/*) ;;
		*) die "DKMS has not installed $module for $release (see $log)" ;;
		esac
	done
	echo "$root $release"
}

remove_package() {
	release=$(find_release)
	step "remove the package" in_root apt-get -qq -y purge "$package"
	stock_module >/dev/null
}

"${job}_package"
