# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs, after columns.sh: $pool tells how much memory compressed
# swap takes.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # for those who source this; from there

case $pd_backend in
zram) pool=$zram/mm_stat ;;
zswap) pool=/sys/kernel/debug/zswap/pool_total_size ;;
esac
