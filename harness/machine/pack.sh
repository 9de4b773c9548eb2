# SPDX-License-Identifier: GPL-2.0
# Sourced by scripts that pack programs for the guest.
# shellcheck shell=sh

# pack_libraries ROOT PROGRAM...: copy the shared libraries of these programs to ROOT; ignore
# static programs and scripts
pack_libraries() {
	root=$1
	shift
	for program; do
		ldd "$program" 2>/dev/null || true
	done | grep -o '/[^ ]*' | sort -u | while read -r library; do
		mkdir -p "$root${library%/*}"
		cp -L "$library" "$root$library"
	done
}

# pack_archive ROOT OUT: pack ROOT into the cpio archive OUT; remove ROOT
pack_archive() {
	(cd "$1" && find . | cpio -o -H newc --quiet | gzip -1) >"$2.tmp"
	mv "$2.tmp" "$2"
	rm -rf "$1"
}
