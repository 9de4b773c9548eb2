# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs, after swap_variants.sh: percpu_defer statistics of the swap device.
# shellcheck shell=sh
# shellcheck disable=SC2154 # pd_backend comes from the kernel command line

# instance_stat NAME...: print the sum of these statistics, or 0 without percpu_defer
instance_stat() {
	for name; do
		cat /sys/kernel/debug/percpu_defer/"$pd_backend"[0-9]* 2>/dev/null |
			awk -v name="$name" '$1 == name { print $2 }'
	done | awk '{ sum += $1 } END { print sum + 0 }'
}
