#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: the RAM disk under perturbation; see perturb.sh.
# shellcheck disable=SC2154

. "$(dirname -- "$0")/perturb.sh"

perturb 16
selftest brd_discard "$pd_seconds"
perturb 0
