#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures munmap() of swapped-out memory, and prints a line
#   sample COLUMN PROCESSES MEGABYTES NANOSECONDS SETTLE_MS
# for each time. From the kernel's command line:
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

stored() {
	read -r orig compr _ <$zram/mm_stat
	echo "$orig $compr"
}

# Milliseconds until zram holds what it held before, to a clock tick.
settle() {
	t0=$(cut -d ' ' -f 1 /proc/uptime | tr -d .)
	while [ "$(stored)" != "$before" ]; do
		t1=$(cut -d ' ' -f 1 /proc/uptime | tr -d .)
		[ $((t1 - t0)) -lt 1000 ] || { echo never; return; }
		sleep 0.01
	done
	t1=$(cut -d ' ' -f 1 /proc/uptime | tr -d .)
	echo $(((t1 - t0) * 10))
}

setup
for rep in $(seq "$pd_reps"); do
	for row in $(echo "$pd_rows" | tr , ' '); do
		for column in $(echo "$pd_cols" | tr , ' '); do
			select_column "$column"
			before=$(stored)
			ns=$(/job/swap_unmap "${row%:*}" "${row#*:}") || exit 1
			echo "sample $column ${row%:*} ${row#*:} $ns $(settle)"
		done
	done
	echo "repetition $rep"
done
