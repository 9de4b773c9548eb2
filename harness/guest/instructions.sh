#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job, where a nanosecond of CPU time is an instruction: the number of them that
# it takes to free a slot, and to swap out a page into a slot just freed. From the
# kernel's command line, in addition to what columns.sh takes:
#   pd_cols   a column
#   pd_mb     how much memory is unmapped
#   pd_runs   lengths of the runs that it lies in in swap, in pages, or "long"
#   pd_again  how much is swapped out again, little enough to be done before a drain
#             begins
#   pd_state  states of the slots then: empty, or waiting to be emptied
#   pd_reps   repetitions
# Prints lines
#   free LENGTH MUNMAP BACK CPU WORKERS MEDIAN PERCENTILE90 PAGES...
#                                              what swap_unmap prints
#   again CONTENT STATE INSTRUCTIONS CANCELLED  with the number of slots whose death was
#                                              cancelled; CONTENT is "filled" or "zero"
# for all pages together.
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"
. "$(dirname -- "$0")/instance.sh"

# unmap LENGTH
unmap() {
	resize $((pd_mb * 1024 + 1024))
	length=$1
	set -- 1 "$pd_mb" "$file"
	[ "$length" = long ] || set -- -s "$length" "$@"
	times=$(/job/swap_unmap -r "$@") || exit 1
	echo "free $length $times"
}

# again CONTENT STATE
again() {
	resize $((pd_again * 1024 + 64))
	content=$1 state=$2 pause=0
	[ "$state" = waiting ] || pause=500
	set -- "$pd_again" $pause
	[ "$content" = filled ] || set -- -z "$@"
	before=$(instance_stat cancelled)
	instructions=$(/job/swap_again "$@") || exit 1
	echo "again $content $state $instructions $(($(instance_stat cancelled) - before))"
}

setup_columns
select_column "$pd_cols"
for _ in $(seq "$pd_reps"); do
	for length in $(echo "$pd_runs" | tr , ' '); do
		unmap "$length"
	done
	for state in $(echo "$pd_state" | tr , ' '); do
		again filled "$state"
		again zero "$state"
	done
done
