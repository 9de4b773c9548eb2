#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: test zswap under perturbation; see perturb.sh.
# shellcheck disable=SC2154

. "$(dirname -- "$0")/perturb.sh"

# These tests set their own delays.
selftest zswap_ops
selftest zswap_paths
selftest zswap_lost "$((pd_seconds / 2))" "$seed"
perturb 16
selftest zswap_reuse "$((pd_seconds / 2))"
perturb 0
