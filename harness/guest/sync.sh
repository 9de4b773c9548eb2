#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: the tests that apply to a kernel without CONFIG_PERCPU_DEFER.

section() {
	echo "pd_section: $1" >/dev/kmsg
	echo "BEGIN $1"
	PATH=/job:$PATH "$@"
	echo "END $?"
}

zsmalloc() {
	modprobe zsmalloc_kunit
	cat /sys/kernel/debug/kunit/zsmalloc/results
}

[ -d /sys/class/zram-control ] || modprobe zram
section zsmalloc
section files
section zram_dead
section zram_ops
section swap_reuse 20
section zswap_ops
section zswap_paths
