# SPDX-License-Identifier: GPL-2.0
# Sourced, after common.sh: packages from suites or for machines other than this
# one's, without a trace in its own package management.
# shellcheck shell=sh

# Of another architecture, if set.
APT_ARCH=${APT_ARCH-}
APT=$BUILD/apt${APT_ARCH:+-$APT_ARCH}

# apt-get with lists and cache of our own: the machine's stay as they are.
apt() {
	tool=$1
	shift
	"$tool" -o Dir::State::lists="$APT/lists" -o Dir::Cache="$APT/cache" \
		-o Dir::Etc::sourcelist="$APT/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o APT::Sandbox::User=root ${APT_ARCH:+-o APT::Architecture="$APT_ARCH"
		-o APT::Architectures="$APT_ARCH"} "$@"
}

# The mirror that this machine gets Debian from, whatever it is called.
mirror() {
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	apt-get indextargets --format '$(SITE) $(LABEL) $(COMPONENT)' |
		awk '$2 == "Debian" && $3 == "main" { print $1; exit }'
}

# update_lists SUITES: asks the mirror what they have.
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
	# It succeeds with warnings when a suite cannot be had; one will do.
	apt apt-get update >"$APT/update.log" 2>&1 || true
	ls "$APT"/lists/*_Packages* >/dev/null 2>&1 ||
		die "the mirror does not answer (see $APT/update.log): network? or give KSRC=<kernel tree>"
}
