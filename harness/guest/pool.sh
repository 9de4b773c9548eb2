# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs, after swap_variants.sh: set $pool to the file with the memory usage of
# compressed swap.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # shared with the scripts that source this

case $pd_backend in
zram) pool=$zram/mm_stat ;;
zswap) pool=/sys/kernel/debug/zswap/pool_total_size ;;
esac
