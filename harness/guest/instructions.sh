#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job, where a nanosecond of CPU time is an instruction: how many does it take
# to free a slot, and to swap out a page into a slot just freed? From the kernel's
# command line, beside what columns.sh takes:
#   pd_cols   a column, base or on
#   pd_mb     how much memory is unmapped
#   pd_again  how much is swapped out again, little enough to be done before a drain
#             begins
#   pd_state  in which state the slots are then: empty, or waiting to be emptied
#   pd_reps   how often
# Prints lines
#   free MUNMAP BACK PUSH DRAIN          times of swap_unmap
#   again STATE INSTRUCTIONS CANCELLED   with how many slots' death was cancelled
# for all pages together.
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"

# The swap space is so large, and fresh.
resize() {
	swapoff "$swap" && mkswap "$swap" "$1" >/dev/null && swapon "$swap" || exit 1
}

cancelled() {
	cat /sys/kernel/debug/percpu_defer/"$pd_backend"* 2>/dev/null |
		awk '$1 == "cancelled" { n += $2 } END { print n + 0 }'
}

setup_columns
select_column "$pd_cols"
for _ in $(seq "$pd_reps"); do
	resize $((pd_mb * 1024 + 1024))
	times=$(/job/swap_unmap 1 "$pd_mb" "$file") || exit 1
	echo "free $times"
	for state in $(echo "$pd_state" | tr , ' '); do
		pause=0
		[ "$state" = waiting ] || pause=500
		resize $((pd_again * 1024 + 64))
		before=$(cancelled)
		instructions=$(/job/swap_again "$pd_again" $pause) || exit 1
		echo "again $state $instructions $(($(cancelled) - before))"
	done
done
