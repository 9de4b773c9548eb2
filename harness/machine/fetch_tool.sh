#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Fetch a tool that is newer than the host's, unpack it with its libraries below build/newer, and
# print the path of its wrapper. Nothing is installed.
# usage: fetch_tool.sh PACKAGE COMMAND
# PACKAGE is a regular expression, such as 'clang-[0-9]+'; the matching package with the
# highest number is used.
set -eu
. "$(dirname -- "$0")/common.sh"
. "$(dirname -- "$0")/apt.sh"

[ $# = 2 ] || die "usage: fetch_tool.sh PACKAGE COMMAND"
SUITES='sid forky'

# libraries PACKAGE: print the package and its library dependencies, recursively
libraries() {
	all=
	new=$1
	while [ -n "$new" ]; do
		all="$all $new"
		# shellcheck disable=SC2086 # a list
		found=$(apt apt-cache depends --important $new |
			awk '$1 == "Depends:" && $2 ~ /^(lib|zlib)/ && $2 !~ /-dev$/ {
				print $2 }' | sort -u)
		new=
		for library in $found; do
			case " $all " in
			*" $library "*) ;;
			*) new="$new $library" ;;
			esac
		done
	done
	echo "$all"
}

# wrap ROOT COMMAND: write a script that runs COMMAND with the unpacked libraries and libc
wrap() {
	loader=$(find "$1" -name 'ld-linux*.so.*' | head -n 1)
	program=$(find "$1/usr/bin" -name "$2" -o -name "$2-[0-9]*" | sort -V | tail -n 1)
	[ -n "$loader" ] || die "there is no dynamic linker in what was unpacked"
	[ -n "$program" ] || die "there is no $2 in what was unpacked"
	program=$(readlink -f "$program")
	path=$(find "$1/usr/lib" -name 'lib*.so.*' -exec dirname {} + | sort -u |
		sed "s|^$1|\$root|" | paste -s -d :)
	cat >"$1/$2" <<-WRAPPER
		#!/bin/sh
		root=\$(dirname -- "\$(readlink -f -- "\$0")")
		exec "\$root${loader#"$1"}" --library-path "$path" \\
			"\$root${program#"$1"}" "\$@"
	WRAPPER
	chmod +x "$1/$2"
}

out=$BUILD/newer/$2
if [ ! -x "$out/$2" ]; then
	stage "fetch a newer $2 from the distribution"
	mkdir -p "$BUILD/newer"
	need_space "$BUILD" 1000 "a newer $2"
	update_lists "$SUITES"
	package=$(apt apt-cache search --names-only "^$1\$" | sed 's/ .*//' | sort -V | tail -n 1)
	[ -n "$package" ] || die "the distribution has no newer $2"
	rm -rf "$out.tmp"
	mkdir -p "$out.tmp/deb"
	# shellcheck disable=SC2046 # a list
	(cd "$out.tmp/deb" && apt apt-get -qq download $(libraries "$package") >&2) ||
		die "cannot download $package: network?"
	for deb in "$out.tmp"/deb/*.deb; do
		dpkg-deb -x "$deb" "$out.tmp"
	done
	rm -rf "$out.tmp/deb" "$out.tmp/usr/share"
	wrap "$out.tmp" "$2"
	rm -rf "$out"
	mv "$out.tmp" "$out"
fi
echo "$out/$2"
