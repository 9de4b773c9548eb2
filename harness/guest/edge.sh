# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs that search for an edge. They define try EXTRA, which sets $told; its
# first word is the number of kills. Kernel parameters:
#   pd_good  number of consecutive good tries required
#   pd_step  step size of the search
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # shared with the scripts that source this

# search MOST KILLS: find the largest $pd_extra, from MOST downwards, with at most KILLS kills
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
