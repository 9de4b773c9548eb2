#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Check the models with spin, and check that spin finds an error in each faulty variant.
# A model names its variants in the comment at its head, one per line.
set -eu
. "$(dirname -- "$0")/../machine/common.sh"

# PD_MODELS is set only by tests of the harness.
models=${PD_MODELS:-$HARNESS/checks/model}
depth=100000
megabytes=2500

# variants MODEL: print the names in lines " *   NAME  text" of the model's head
variants() {
	sed -n '/^ \*\//q; s/^ \*   \([A-Z][A-Z0-9_]*\) .*/\1/p' "$1"
}

# progress NAME: print a line for every million states that pan reports
progress() {
	awk -v name="$1" '/^Depth=/ {
		sub(/.*States= */, "")
		printf "%s: %d million states\n", name, $1 / 1000000 >"/dev/stderr"
	}'
}

# search MODEL OPTIMIZATION [VARIANT]: run the search; write its output to pan.log
search() (
	dir=$BUILD/model/$(basename -- "$1" .pml)${3:+-$3}
	rm -rf "$dir"
	mkdir -p "$dir"
	cd "$dir"
	log=$dir/pan.log
	{
		spin -a ${3:+-D"$3"} "$1" &&
			gcc -w "$2" -DSAFETY -DNOFAIR -DCOLLAPSE \
				"-DMEMLIM=$megabytes" -o pan pan.c
	} >"$log" 2>&1 || die "$1${3:+ with $3}: does not build; see $log"
	./pan -n "-m$depth" 2>&1 | tee "$log" | progress "$(basename -- "$dir")"
	grep -q 'errors: ' "$log" || die "$dir: the search ended early; see $log"
)

# count PATTERN LOG: print the part of spin's output that PATTERN captures
count() {
	sed -n "s/$1/\\1/p" "$2"
}

# check_model MODEL: search exhaustively; fail if there is an error
check_model() {
	name=$(basename -- "$1" .pml)
	log=$BUILD/model/$name/pan.log
	begin=$(date +%s)
	search "$1" -O2 || return 1
	errors=$(count '.*errors: \([0-9]*\).*' "$log")
	states=$(count '^ *\([0-9.e+]*\) states, stored.*' "$log")
	echo "$name: $errors errors in $states states, $(($(date +%s) - begin)) s"
	if grep -q 'depth too small\|not completed\|out of memory' "$log" &&
	   [ "$errors" = 0 ]; then
		echo "$name: not searched exhaustively; shrink the model or raise the limits in model.sh" >&2
		return 1
	fi
	[ "$errors" = 0 ] || {
		echo "$name: wrong; see $log" >&2
		return 1
	}
}

# check_variant MODEL VARIANT: search; fail unless an error is found
check_variant() {
	name=$(basename -- "$1" .pml)
	log=$BUILD/model/$name-$2/pan.log
	# Use -O1, because the search is short and compilation takes most of the time.
	search "$1" -O1 "$2" || return 1
	errors=$(count '.*errors: \([0-9]*\).*' "$log")
	why=$(count '^pan:[0-9]*: \([a-z ]*[a-z]\).*' "$log")
	echo "$name with $2: $errors errors${why:+, $why}"
	case $why in
	'assertion violated' | 'invalid end state')	return 0 ;;
	esac
	echo "$name with $2: not found; fix the model" >&2
	return 1
}

bad=
begin_all=$(date +%s)
for model in "$models"/*.pml; do
	[ -f "$model" ] || die "$models: no models; set PD_MODELS to a directory with *.pml files"
	check_model "$model" || bad="$bad $(basename -- "$model" .pml)"
	for variant in $(variants "$model"); do
		check_variant "$model" "$variant" || bad="$bad $variant"
	done
done
echo "models: $(($(date +%s) - begin_all)) s in total"
[ -z "$bad" ] || die "models:$bad failed; see the lines above"
