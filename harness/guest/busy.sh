#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures munmap() of swapped-out memory while all CPUs are busy, and
# prints a line
#   busy COLUMN HOGS MUNMAP BACK CPU WORKERS LEFT HELD PENDING CAP REFUSED
# with what swap_busy tells for each kind of hogs: "other", "fifo", and "starve", which is SCHED_FIFO without the share of the CPU that the kernel keeps
# for the other processes. The last three are of the swap device's percpu_defer
# instance after that, zeros without one; REFUSED is since the time before.
# From the kernel's command line, beside what columns.sh takes:
#   pd_mb    how much memory
#   pd_hogs  kinds of hogs
#   pd_ms    after how many milliseconds they end, if not all is freed before
#   pd_cols  columns
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"
. "$(dirname -- "$0")/instance.sh"

fair=/sys/kernel/debug/sched/fair_server
limit=/proc/sys/kernel/sched_rt_runtime_us
usual_fair=$(cat $fair/cpu0/runtime) usual_limit=$(cat $limit)

# What the kernel keeps from SCHED_FIFO, by its new means and its old.
keep() {
	echo "$2" >$limit || exit 1
	for cpu in "$fair"/cpu*; do
		echo "$1" >"$cpu/runtime" || exit 1
	done
}

# measure COLUMN HOGS
measure() {
	select_column "$1"
	/job/swap_unmap 1 8 >/dev/null || exit 1
	refused=$(instance_stat refused) kind=$2
	if [ "$2" = starve ]; then
		kind=fifo
		keep 0 -1
	fi
	told=$(/job/swap_busy "$pd_mb" "$kind" "$pd_ms" "$file") || exit 1
	keep "$usual_fair" "$usual_limit"
	echo "busy $1 $2 $told $(instance_stat pending) $(instance_stat cap)" \
		"$(($(instance_stat refused) - refused))"
}

setup_columns
for hogs in $(echo "$pd_hogs" | tr , ' '); do
	for column in $(echo "$pd_cols" | tr , ' '); do
		# Where there are no workers, that makes no difference to "fifo".
		[ "$column $hogs" != "base starve" ] || continue
		measure "$column" "$hogs"
	done
done
