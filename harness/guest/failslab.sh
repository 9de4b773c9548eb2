#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Where the kernel can make allocations fail, lets tests ask for it: all kinds,
# and without a stack dump on the console, which would look like a complaint.

set_attribute() {
	[ ! -e "/sys/kernel/debug/$1" ] || echo "$2" >"/sys/kernel/debug/$1"
}

for fault in failslab fail_page_alloc; do
	set_attribute $fault/verbose 0
	set_attribute $fault/ignore-gfp-wait N
done
set_attribute fail_page_alloc/min-order 0
