#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# DKMS pre-build check: fail if zram of this kernel cannot be replaced.
# usage: check.sh KERNEL HEADERS
config=$2/.config
if [ ! -f "$config" ]; then
	echo "zram-percpu-defer: no headers of $1; install linux-headers-$1" >&2
	exit 1
fi
if ! grep -qx 'CONFIG_ZRAM=m' "$config"; then
	echo "zram-percpu-defer: zram is not a module of $1 and cannot be replaced" >&2
	exit 1
fi
