#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure munmap() of memory in swap on zram, alternately with the module of
# the stock kernel and with ours. For each measurement, print a line
#   unmap MODULE PROCESSES MEGABYTES MUNMAP BACK CPU WORKERS
# with the four times of swap_unmap. Kernel parameters:
#   pd_rows  "PROCESSES:MEGABYTES ..." with commas instead of spaces
#   pd_mb    size of the device
#   pd_reps  number of repetitions
# shellcheck disable=SC2154 # set in the environment

# load MODULE: load the module, and set up swap on a new device
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

# Load the dependencies of both modules.
modprobe zram || exit 1
repetition=0
while [ $((repetition += 1)) -le "$pd_reps" ]; do
	echo "repetition $repetition"
	# Warm up with 1:32: in the first run, all caches are cold, including QEMU's.
	for row in 1:32 $(echo "$pd_rows" | tr , ' '); do
		for module in stock ours; do
			measure $module "${row%:*}" "${row#*:}"
			[ "$row" = 1:32 ] || echo "unmap $module ${row%:*} ${row#*:} $times"
		done
	done
done
