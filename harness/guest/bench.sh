#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures munmap() of swapped-out memory, and prints a line
#   sample COLUMN PROCESSES MEGABYTES MUNMAP BACK CPU WORKERS
# with the four times of swap_unmap for each, and
#   faults COLUMN MEDIAN PERCENTILE99
# with the two of swap_in. From the kernel's command line:
#   pd_backend  zram, or zswap: in front of a RAM disk that it keeps everything from
#   pd_rows  "PROCESSES:MEGABYTES ..." with commas for blanks
#   pd_reps  how often
#   pd_cols  columns, alternating within a repetition: base, off, on, and limit,
#            which is the RAM disk without anything to free
# shellcheck disable=SC2154 # these come in the environment

zram=/sys/block/zram0
zswap=/sys/module/zswap/parameters

setup() {
	swap=
	mkswap /dev/ram0 >/dev/null || exit 1
	case $pd_backend in
	zram)
		device=/dev/zram0 file=$zram/mm_stat
		switch=$zram/deferred_free
		echo 1600M >$zram/disksize && mkswap $device >/dev/null
		;;
	zswap)
		device=/dev/ram0 file=/sys/kernel/debug/zswap/stored_pages
		switch=$zswap/deferred_invalidate
		echo 90 >$zswap/max_pool_percent
		;;
	esac || exit 1
}

# Brings the switches and the swap device into place for a column. The device is
# a fresh one each time, so that no column finds its clusters in better order.
select_column() {
	[ -z "$swap" ] || swapoff "$swap"
	case $1 in
	on) echo 1 >"$switch" ;;
	off) echo 0 >"$switch" ;;
	esac
	case $1 in
	limit) swap=/dev/ram0 enabled=N ;;
	*) swap=$device enabled=Y ;;
	esac
	[ "$pd_backend" = zram ] || echo $enabled >$zswap/enabled
	swapon "$swap" || exit 1
}

setup
for rep in $(seq "$pd_reps"); do
	for row in $(echo "$pd_rows" | tr , ' '); do
		for column in $(echo "$pd_cols" | tr , ' '); do
			select_column "$column"
			set -- "${row%:*}" "${row#*:}"
			[ "$column" = limit ] || set -- "$@" "$file"
			times=$(/job/swap_unmap "$@") || exit 1
			echo "sample $column ${row%:*} ${row#*:} $times"
		done
	done
	for column in $(echo "$pd_cols" | tr , ' '); do
		select_column "$column"
		times=$(/job/swap_in 64) || exit 1
		echo "faults $column $times"
	done
	echo "repetition $rep"
done
