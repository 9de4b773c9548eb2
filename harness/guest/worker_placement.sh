#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure munmap() of swapped-out memory with different settings of the
# percpu_defer workqueue. For each measurement, print a line
#   worker_placement COLUMN NICE CPUMASK MUNMAP BACK CPU WORKERS
# MUNMAP to WORKERS are the four times of swap_unmap. The settings have no effect in a kernel
# without that workqueue. Kernel parameters, in addition to those of swap_variants.sh:
#   pd_mb        megabytes to unmap
#   pd_settings  "NICE:CPUMASK ..." with commas instead of spaces
#   pd_cols      columns, alternating within a repetition
#   pd_reps      number of repetitions
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"

workers=/sys/devices/virtual/workqueue/percpu_defer

set_workers() {
	[ -e $workers ] || return 0
	echo "$1" >$workers/nice && echo "$2" >$workers/cpumask || exit 1
}

setup_columns
for rep in $(seq "$pd_reps"); do
	for setting in $(echo "$pd_settings" | tr , ' '); do
		set_workers "${setting%:*}" "${setting#*:}"
		for column in $(echo "$pd_cols" | tr , ' '); do
			select_column "$column"
			times=$(/job/swap_unmap 1 "$pd_mb" "$file") || exit 1
			echo "worker_placement $column ${setting%:*} ${setting#*:} $times"
		done
	done
	echo "repetition $rep"
done
