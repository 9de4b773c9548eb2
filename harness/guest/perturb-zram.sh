#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: test zram under perturbation; see perturb.sh.
# shellcheck disable=SC2154

. "$(dirname -- "$0")/perturb.sh"

# These tests set their own delays.
selftest zram_dead
selftest zram_ops
perturb 16
selftest swap_reuse "$pd_seconds"
perturb 0
