# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs: the columns of a table, each a way to have swap.
#   base, off, on  on a zram, or a RAM disk that zswap keeps everything from; off and
#                  on are the patched kernel's switch
#   limit          on the RAM disk, without anything to free
# From the kernel's command line:
#   pd_backend  zram or zswap
#   brd.rd_size  how large either device is, in KB
# shellcheck shell=sh
# shellcheck disable=SC2154 # these come in the environment

zram=/sys/block/zram0
zswap=/sys/module/zswap/parameters
swap=

# $file begins with a number that is back at what it was when all is freed.
# shellcheck disable=SC2034 # it is for those who source this
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

# A fresh swap space of so many KB in place of the column's.
resize() {
	swapoff "$swap" && mkswap "$swap" "$1" >/dev/null && swapon "$swap" || exit 1
}

# Brings the switches and the swap device into place for a column. The device is
# a fresh one each time, so that no column finds its clusters in better order.
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
