#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures munmap() of memory in swap on zram, with the module of the stock
# kernel and with ours, alternating, and prints a line
#   unmap MODULE PROCESSES MEGABYTES MUNMAP BACK CPU WORKERS
# with the four times of swap_unmap for each. From the kernel's command line:
#   pd_rows  "PROCESSES:MEGABYTES ..." with commas for blanks
#   pd_mb    size of the device
#   pd_reps  repetitions
# shellcheck disable=SC2154 # these come in the environment

# load MODULE: a fresh device, as swap
load() {
	rmmod zram percpu_defer 2>/dev/null
	case $1 in
	stock) insmod /stock/zram.ko ;;
	ours) modprobe zram ;;
	esac &&
		echo "${pd_mb}M" >/sys/block/zram0/disksize &&
		mkswap /dev/zram0 >/dev/null && swapon /dev/zram0 || exit 1
	[ -e /sys/module/percpu_defer ] && is=ours || is=stock
	[ "$is" = "$1" ] || exit 1
}

# measure MODULE PROCESSES MEGABYTES
measure() {
	load "$1"
	times=$(/job/swap_unmap "$2" "$3" /sys/block/zram0/mm_stat) || exit 1
	swapoff /dev/zram0
}

# Brings in what both need.
modprobe zram || exit 1
repetition=0
while [ $((repetition += 1)) -le "$pd_reps" ]; do
	echo "repetition $repetition"
	# The first time, code is not in any cache, that of QEMU included.
	for row in 1:32 $(echo "$pd_rows" | tr , ' '); do
		for module in stock ours; do
			measure $module "${row%:*}" "${row#*:}"
			[ "$row" = 1:32 ] || echo "unmap $module ${row%:*} ${row#*:} $times"
		done
	done
done
