# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs, after columns.sh: what percpu_defer tells of the swap device.
# shellcheck shell=sh
# shellcheck disable=SC2154 # pd_backend comes from the kernel's command line

# The sum of the numbers of these names; 0 in a kernel without percpu_defer.
instance_stat() {
	for name; do
		cat /sys/kernel/debug/percpu_defer/"$pd_backend"[0-9]* 2>/dev/null |
			awk -v name="$name" '$1 == name { print $2 }'
	done | awk '{ sum += $1 } END { print sum + 0 }'
}
