#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: tests of zram as a module of a stock kernel. From the kernel's command line,
# beside what sections.sh takes: pd_seconds, how long the reuse test runs, and pd_rounds,
# how often the module is unloaded.
# shellcheck disable=SC2154 # they come in the environment

# shellcheck source=../../guest/sections.sh
. "$(dirname -- "$0")/sections.sh"

modprobe zram && modprobe brd rd_nr=1 || exit 1
selftest stock_module.sh
selftest swap_reuse "$pd_seconds"
selftest zram_ops
selftest zram_dead
selftest stock_rounds "$pd_rounds"
