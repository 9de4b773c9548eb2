#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures discards of a RAM disk, and prints a line
#   discard COLUMN MEGABYTES DISCARD BACK CPU WORKERS AGAIN EMPTY
# with the times of brd_measure for each. From the kernel's command line:
#   pd_mbs   how much is discarded, sizes with commas between them
#   pd_cols  base, or off and on, the patched kernel's switch
#   pd_reps  how often
# shellcheck disable=SC2154 # these come in the environment

select_column() {
	case $1 in
	on) echo Y >/sys/module/brd/parameters/deferred_discard ;;
	off) echo N >/sys/module/brd/parameters/deferred_discard ;;
	esac || exit 1
}

# The first time, code is not in any cache, that of QEMU included.
/job/brd_measure 8 >/dev/null || exit 1
for rep in $(seq "$pd_reps"); do
	for mb in $(echo "$pd_mbs" | tr , ' '); do
		for column in $(echo "$pd_cols" | tr , ' '); do
			select_column "$column"
			times=$(/job/brd_measure "$mb") || exit 1
			echo "discard $column $mb $times"
		done
	done
	echo "repetition $rep"
done
