#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures munmap() of swapped-out memory, and prints a line
#   sample COLUMN PROCESSES MEGABYTES MUNMAP BACK CPU WORKERS
# with the four times of swap_unmap for each. From the kernel's command line:
#   pd_rows  "PROCESSES:MEGABYTES ..." with commas for blanks
#   pd_reps  how often
#   pd_cols  columns, alternating within a repetition: base, off, on (on zram),
#            limit (on a RAM disk)
# shellcheck disable=SC2154 # these three come in the environment

zram=/sys/block/zram0

setup() {
	echo 1600M >$zram/disksize && mkswap /dev/zram0 >/dev/null &&
	mkswap /dev/ram0 >/dev/null || exit 1
	swap=
}

# Brings the switch and the swap device into place for a column. The device is
# a fresh one each time, so that no column finds its clusters in better order.
select_column() {
	[ -z "$swap" ] || swapoff "$swap"
	case $1 in
	on) echo 1 >$zram/deferred_free ;;
	off) echo 0 >$zram/deferred_free ;;
	esac
	case $1 in
	limit) swap=/dev/ram0 ;;
	*) swap=/dev/zram0 ;;
	esac
	swapon "$swap" || exit 1
}

setup
for rep in $(seq "$pd_reps"); do
	for row in $(echo "$pd_rows" | tr , ' '); do
		for column in $(echo "$pd_cols" | tr , ' '); do
			select_column "$column"
			file=$zram/mm_stat
			[ "$column" != limit ] || file=
			times=$(/job/swap_unmap "${row%:*}" "${row#*:}" $file) || exit 1
			echo "sample $column ${row%:*} ${row#*:} $times"
		done
	done
	echo "repetition $rep"
done
