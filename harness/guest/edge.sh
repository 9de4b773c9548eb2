# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs that look for an edge, with a function try EXTRA that sets $told,
# whose first word tells how many were killed. From the kernel's command line:
#   pd_good  how many tries in a row have to be good
#   pd_step  steps of the search
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # for those who source this; from there

# search MOST KILLS: sets $pd_extra to the most, from MOST downwards, with which no more
# than KILLS are killed.
search() {
	pd_extra=$1 good=0
	while [ $good -lt "$pd_good" ]; do
		try "$pd_extra"
		good=$((good + 1))
		if [ "${told%% *}" -gt "$2" ]; then
			good=0 pd_extra=$((pd_extra - pd_step))
		fi
	done
}
