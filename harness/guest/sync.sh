#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: run the tests that apply to a kernel without CONFIG_PERCPU_DEFER.

. "$(dirname -- "$0")/sections.sh"

[ -d /sys/class/zram-control ] || modprobe zram
kunit zsmalloc
selftest files
selftest zram_dead
selftest zram_ops
selftest swap_reuse 20
selftest zswap_ops
selftest zswap_paths
