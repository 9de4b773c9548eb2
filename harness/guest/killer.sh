#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: looks how many processes a killer in user space kills, and prints
#   edge COLUMN EXTRA
#   try COLUMN KILLS OOM_KILLS ONE
# with the kilobytes that are wanted beyond what one kill makes necessary, and what
# swap_killer tells.
# From the kernel's command line, beside what columns.sh takes, and "mem":
#   pd_mb     how many megabytes of each holder are in swap
#   pd_low    kilobytes of MemAvailable below which it kills
#   pd_poll   milliseconds between its looks
#   pd_extra  the kilobytes, or "search": the most with which only one is killed in
#             pd_good tries, in steps of pd_step, from pd_most downwards
#   pd_tries  how often, after the search
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"
. "$(dirname -- "$0")/pool.sh"
. "$(dirname -- "$0")/edge.sh"

# try EXTRA: sets $told
try() {
	told=$(/job/swap_killer "$pd_mb" "$pd_low" "$1" "$pd_poll" "$pool") || exit 1
}

# This shell is not who is to be killed.
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
