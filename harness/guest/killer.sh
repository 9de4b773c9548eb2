#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: looks how many processes a killer in user space kills, and prints
#   edge COLUMN EXTRA
#   try COLUMN KILLS OOM_KILLS ONE
# EXTRA is the argument of swap_killer, in kilobytes; the other numbers are its results.
# From the kernel's command line, in addition to what columns.sh takes, and "mem":
#   pd_mb     how many megabytes of each holder are in swap
#   pd_low    kilobytes of MemAvailable below which it kills
#   pd_poll   milliseconds between its looks
#   pd_extra  EXTRA, or "search": the largest, from pd_most downwards in steps of pd_step,
#             with which only one is killed in pd_good tries in a row
#   pd_tries  how often, after the search
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"
. "$(dirname -- "$0")/pool.sh"
. "$(dirname -- "$0")/edge.sh"

# try EXTRA: sets $told
try() {
	told=$(/job/swap_killer "$pd_mb" "$pd_low" "$1" "$pd_poll" "$pool") || exit 1
}

# Exempt this shell from OOM kills.
echo -1000 >/proc/$$/oom_score_adj || exit 1
setup_columns
for column in $(echo "$pd_cols" | tr , ' '); do
	select_column "$column"
	[ "$pd_extra" != search ] || search "$pd_most" 1
	echo "edge $column $pd_extra"
	for _ in $(seq "$pd_tries"); do
		try "$pd_extra"
		echo "try $column $told"
	done
done
