#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prepare fault injection for the tests if the kernel supports it: let allocations of all kinds
# fail, and suppress stack dumps, which the console check would report.

set_attribute() {
	[ ! -e "/sys/kernel/debug/$1" ] || echo "$2" >"/sys/kernel/debug/$1"
}

for fault in failslab fail_page_alloc; do
	set_attribute $fault/verbose 0
	set_attribute $fault/ignore-gfp-wait N
done
set_attribute fail_page_alloc/min-order 0
