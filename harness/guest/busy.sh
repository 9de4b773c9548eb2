#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure munmap() of swapped-out memory while all CPUs are busy. For each
# kind of hogs and each column, print a line
#   busy COLUMN HOGS MUNMAP BACK CPU WORKERS LEFT HELD PENDING CAP REFUSED
# MUNMAP to HELD are the results of swap_busy. The kinds are "other", "fifo" and "starve".
# "starve" is SCHED_FIFO without the share of CPU time that the kernel reserves for other tasks.
# The last three numbers are statistics of the swap device's percpu_defer instance after the
# measurement, or zeros without an instance. REFUSED counts from the start of the measurement.
# Kernel parameters, in addition to those of swap_variants.sh:
#   pd_mb    megabytes to unmap
#   pd_hogs  kinds of hogs
#   pd_ms    milliseconds until the hogs are killed, unless everything is freed earlier
#   pd_cols  columns
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"
. "$(dirname -- "$0")/instance.sh"

fair=/sys/kernel/debug/sched/fair_server
limit=/proc/sys/kernel/sched_rt_runtime_us
usual_fair=$(cat $fair/cpu0/runtime) usual_limit=$(cat $limit)

# keep FAIR LIMIT: set the runtime of the fair server, and the RT limit. Both reserve CPU time
# for tasks that are not SCHED_FIFO.
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
		# Without workers, "starve" does not differ from "fifo".
		[ "$column $hogs" != "base starve" ] || continue
		measure "$column" "$hogs"
	done
done
