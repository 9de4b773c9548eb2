# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs that search for the allocation size at which kills begin. The jobs define
# try EXTRA, which sets $told to results that begin with the number of kills. Kernel parameters:
#   pd_good  required number of consecutive good tries
#   pd_step  step size of the search
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # shared with the scripts that source this

# search MOST KILLS: set $pd_extra to the largest value up to MOST with at most KILLS kills per try
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
