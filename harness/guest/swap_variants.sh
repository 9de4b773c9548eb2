# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs: set up the swap configuration of a column of the report.
#   base       swap on zram, or zswap in front of a RAM disk; zswap stores all pages
#   off, on    like base, on the patched kernel with deferral off or on
#   limit      swap on the RAM disk without zswap, with nothing to free
# Kernel parameters:
#   pd_backend   zram or zswap
#   brd.rd_size  size of each device in KB
# shellcheck shell=sh
# shellcheck disable=SC2154 # set in the environment

zram=/sys/block/zram0
zswap=/sys/module/zswap/parameters
swap=

# setup_columns: set up the devices, and set $device, $switch and $file. $file begins with a
# number that is back at its initial value when everything is freed.
# shellcheck disable=SC2034 # used by the scripts that source this
setup_columns() {
	mkswap /dev/ram0 >/dev/null || exit 1
	case $pd_backend in
	zram)
		device=/dev/zram0 file=$zram/mm_stat
		switch=$zram/deferred_free
		echo $(($(cat /sys/block/ram0/size) * 512)) >$zram/disksize &&
			mkswap $device >/dev/null
		;;
	zswap)
		device=/dev/ram0 file=/sys/kernel/debug/zswap/stored_pages
		switch=$zswap/deferred_invalidate
		echo 90 >$zswap/max_pool_percent
		;;
	esac || exit 1
}

# resize KB: replace the column's swap space with new swap space of this size
resize() {
	swapoff "$swap" && mkswap "$swap" "$1" >/dev/null && swapon "$swap" || exit 1
}

# select_column COLUMN: set the switches and the swap device for a column. swapon resets the
# order of clusters, so that all columns start under equal conditions.
select_column() {
	[ -z "$swap" ] || swapoff "$swap"
	case $1 in
	on) echo 1 >"$switch" || exit 1 ;;
	off) echo 0 >"$switch" || exit 1 ;;
	esac
	case $1 in
	limit) swap=/dev/ram0 enabled=N ;;
	*) swap=$device enabled=Y ;;
	esac
	[ "$pd_backend" = zram ] || echo $enabled >$zswap/enabled
	swapon "$swap" || exit 1
}
