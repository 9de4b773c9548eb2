#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Check that cgroups can hit limits and be removed, both before zswap is first enabled and
# while it is being enabled. Enabling zswap sets up the state that limit checks use, and
# creates the deferral instances of existing swap devices.
DIR="$(dirname "$(readlink -f "$0")")"
# shellcheck source=/dev/null
. "${DIR}"/../kselftest/ktap_helpers.sh

enabled=/sys/module/zswap/parameters/enabled
disk=/dev/ram0
disk_bytes=$((8 << 20))

# read_in_group BYTES: read the disk in the cgroup, with a buffer of BYTES.
read_in_group() {
	(
		# The shell reports here if the OOM killer kills dd.
		exec 2>/dev/null
		echo 0 >"$cgroups/group/cgroup.procs" &&
			dd if=$disk of=/dev/null bs="$1" count=$((disk_bytes / $1))
		exit $?
	)
}

# Hit memory.max twice: with clean page cache, which is reclaimed, and with anonymous memory,
# which must not be swapped out, so that the OOM killer runs.
hit_limits() {
	mkdir "$cgroups/group" || return 1
	echo 2M >"$cgroups/group/memory.max"
	echo 0 >"$cgroups/group/memory.swap.max"
	read_in_group 65536 || return 1
	grep -q '^max [1-9]' "$cgroups/group/memory.events" || return 1
	! read_in_group $disk_bytes || return 1
	grep -q '^oom_kill 1' "$cgroups/group/memory.events" || return 1
	rmdir "$cgroups/group"
}

cycle_cgroups() {
	i=0
	while [ "$i" -lt "$1" ]; do
		hit_limits || return 1
		echo 1 >/proc/sys/vm/drop_caches
		i=$((i + 1))
	done
}

enable_meanwhile() {
	cycle_cgroups 40 &
	pid=$!
	if ! echo Y >$enabled; then
		kill $pid
		wait $pid
		return 1
	fi
	wait $pid
}

has_instance() {
	set -- /sys/kernel/debug/percpu_defer/zswap[0-9]*
	[ -e "$1" ]
}

has_none() {
	! has_instance
}

cleanup() {
	swapoff $disk
	rmdir "$cgroups/group" 2>/dev/null
	umount "$cgroups"
	rmdir "$cgroups"
}

ktap_print_header
if [ ! -w $enabled ] || [ "$(cat $enabled)" = Y ] || [ -e /sys/kernel/debug/zswap ]; then
	ktap_skip_all "zswap: was enabled before; reboot"
	exit "$KSFT_SKIP"
fi
if ! [ -b $disk ] || grep -q "^$disk " /proc/swaps /proc/mounts; then
	ktap_skip_all "$disk: missing or in use"
	exit "$KSFT_SKIP"
fi
if ! [ -d /sys/kernel/debug/percpu_defer ]; then
	ktap_skip_all "needs CONFIG_PERCPU_DEFER"
	exit "$KSFT_SKIP"
fi
cgroups=$(mktemp -d) || exit 1
trap 'umount "$cgroups" 2>/dev/null; rmdir "$cgroups"' EXIT
if ! mount -t cgroup2 none "$cgroups" ||
	! echo +memory >"$cgroups/cgroup.subtree_control"; then
	ktap_skip_all "needs memory cgroups"
	exit "$KSFT_SKIP"
fi
mkswap $disk >/dev/null && swapon $disk || exit 1
trap cleanup EXIT
ktap_set_plan 4
ktap_test_result "no instance before zswap is enabled" has_none
ktap_test_result "cgroups hit limits and are removed without zswap" cycle_cgroups 20
ktap_test_result "cgroups hit limits and are removed while zswap is being enabled" enable_meanwhile
ktap_test_result "zswap defers for an existing swap device" has_instance
echo N >$enabled
ktap_finished
