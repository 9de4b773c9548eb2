#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job, where a nanosecond is an instruction: how many does it take to swap out
# a page into a slot just freed? From the kernel's command line:
#   pd_mb    how much memory, little enough to be done before a drain begins
#   pd_cols  in which state the slots are: empty, or waiting to be emptied
#   pd_reps  how often
# Prints
#   again COLUMN INSTRUCTIONS CANCELLED
# for all pages together, with the number of slots whose death was cancelled.
# shellcheck disable=SC2154 # these come in the environment

zram=/sys/block/zram0

cancelled() {
	[ ! -e $zram/defer_stat ] || awk '{ print $4 }' $zram/defer_stat
}

for _ in $(seq "$pd_reps"); do
	for column in $(echo "$pd_cols" | tr , ' '); do
		pause=0
		[ "$column" = waiting ] || pause=500
		echo $((pd_mb * 1024 + 64))K >$zram/disksize &&
			mkswap /dev/zram0 >/dev/null && swapon /dev/zram0 || exit 1
		instructions=$(/job/swap_again "$pd_mb" $pause) || exit 1
		echo "again $column $instructions $(cancelled)"
		swapoff /dev/zram0 && echo 1 >$zram/reset || exit 1
	done
done
