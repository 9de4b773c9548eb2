# SPDX-License-Identifier: GPL-2.0
# Sourced after common.sh: download packages of other suites or architectures without changing
# the package management of the host.
# shellcheck shell=sh

# Foreign architecture, if set.
APT_ARCH=${APT_ARCH-}
APT=$BUILD/apt${APT_ARCH:+-$APT_ARCH}

# apt TOOL ARGUMENT...: run an apt tool with private lists and cache
apt() {
	tool=$1
	shift
	"$tool" -o Dir::State::lists="$APT/lists" -o Dir::Cache="$APT/cache" \
		-o Dir::Etc::sourcelist="$APT/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o APT::Sandbox::User=root ${APT_ARCH:+-o APT::Architecture="$APT_ARCH"
		-o APT::Architectures="$APT_ARCH"} "$@"
}

# mirror: print the URL of the Debian mirror that the host uses
mirror() {
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	apt-get indextargets --format '$(SITE) $(LABEL) $(COMPONENT)' |
		awk '$2 == "Debian" && $3 == "main" { print $1; exit }'
}

# update_lists SUITES: fetch the package lists of these suites from the mirror
update_lists() {
	mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial"
	site=$(mirror)
	if [ -z "$site" ]; then
		stage "ask the mirror what it has"
		apt-get update >/dev/null 2>&1 || true
		site=$(mirror)
	fi
	[ -n "$site" ] || die "apt knows no Debian mirror: network? or give KSRC=<kernel tree>"
	for suite in $1; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main"
	done >"$APT/sources.list"
	# Ignore errors: a single suite is enough, and others may not exist.
	apt apt-get update >"$APT/update.log" 2>&1 || true
	ls "$APT"/lists/*_Packages* >/dev/null 2>&1 ||
		die "the mirror does not answer (see $APT/update.log): network? or give KSRC=<kernel tree>"
}
