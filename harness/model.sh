#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Checks the model of index mode, and that its faulty variants are found.
set -eu
. "$(dirname -- "$0")/common.sh"

model=$HARNESS/model/index_mode.pml
variants='BARE_INDEX NO_CANCEL PUSH_AFTER_UNLOCK DIRTY_FIRST CLEAN_LAST
ARM_FIRST RECOMPRESS_CANCELS'

# check [DEFINE]: prints the number of errors that spin finds
check() (
	set +e
	mkdir -p "$BUILD/model"
	cd "$BUILD/model"
	{
		spin -a ${1:+-D"$1"} "$model"
		gcc -O2 -DSAFETY -o pan pan.c
		./pan -m100000
	} >pan.log 2>&1
	! grep -q 'search depth too small' pan.log || die "spin did not search all"
	grep -q 'errors: ' pan.log || die "spin failed (see $BUILD/model/pan.log)"
	sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log
)

bad=0
errors=$(check)
states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$BUILD/model/pan.log")
echo "index_mode: $errors errors in $states states"
[ "$errors" = 0 ] || bad=1
for variant in $variants; do
	errors=$(check "$variant")
	echo "index_mode with $variant: $errors errors"
	[ "$errors" != 0 ] || bad=1
done
[ $bad = 0 ] || die "the model is wrong, or a faulty variant was not found"
