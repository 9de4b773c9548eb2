#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: test zram as a module of a stock kernel.
# Kernel parameters, in addition to those of sections.sh:
#   pd_seconds  duration of the reuse test
#   pd_rounds   number of times the module is unloaded
# shellcheck disable=SC2154 # set in the environment

# shellcheck source=../../guest/sections.sh
. "$(dirname -- "$0")/sections.sh"

modprobe zram && modprobe brd rd_nr=1 || exit 1
selftest stock_module.sh
selftest swap_reuse "$pd_seconds"
selftest zram_ops
selftest zram_dead
selftest stock_rounds "$pd_rounds"
