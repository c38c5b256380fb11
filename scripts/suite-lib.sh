# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# apt for another suite of Debian than this machine's; sourced, with $kernels set.
#
# The lists, the cache and the (empty) list of what is installed lie below build/kernels/.apt/,
# so nothing on the machine changes. Where packages come from is the machine's own apt
# configuration: the mirror of its Debian has the other suites, too.

apt_dir=${kernels:?}/.apt
apt_keys=/usr/share/keyrings/debian-archive-keyring

# SUITE below may be SUITE:ARCH, for another CPU than this machine's. Of its own suite these are the
# packages that its own configuration leads to, updates included; then $own_suite is its name.
own_suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null) || true

# The mirror, by the machine's own lists: main of a release, not its updates.
suite_mirror() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(RELEASE) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk '$1 == "Debian" && $2 == "main" && $3 !~ /-/ { print $4; exit }'
}

# What a suite stands on: a suite of backports has only what it adds.
suite_base() { echo "${1%-backports}"; }

suite_dir() { echo "$apt_dir/${1/:/-}"; }

# The lines of a sources.list.
suite_sources() {
	local suite=${1%:*} mirror keys name

	for keys in "$apt_keys".{pgp,gpg}; do
		[[ ! -r $keys ]] || break
	done
	if [[ $suite == "$own_suite" ]]; then
		# shellcheck disable=SC2016 # apt's own variables
		apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI) $(RELEASE)' \
			'Created-By: Packages' 2>/dev/null |
			awk -v keys="$keys" '$1 == "Debian" && $2 == "main" {
				print "deb [signed-by=" keys "]", $3, $4, "main" }'
		return
	fi
	mirror=$(suite_mirror)
	[[ -n $mirror ]] || return 0
	for name in "$suite" "$(suite_base "$suite")"; do
		echo "deb [signed-by=$keys] $mirror $name main"
	done
}

# suite_apt SUITE COMMAND [ARGUMENT]...: apt-get, apt-cache with the lists of that suite.
suite_apt() {
	local dir command=$2 options=()

	dir=$(suite_dir "$1")
	[[ $1 != *:* ]] || options=(-o "APT::Architecture=${1#*:}" -o "APT::Architectures=${1#*:}")
	shift 2
	"$command" -o "Dir::Etc=$dir/etc" -o "Dir::Etc::SourceList=$dir/etc/sources.list" \
		-o "Dir::Etc::SourceParts=/dev/null" -o "Dir::State=$dir/state" \
		-o "Dir::State::status=$dir/state/status" -o "Dir::Cache=$dir/cache" \
		-o "Debug::NoLocking=true" -o "APT::Sandbox::User=" "${options[@]}" "$@"
}

# suite_lists SUITE: fresh lists of it, or an error that says why not.
suite_lists() {
	local suite=$1 dir

	dir=$(suite_dir "$suite")
	command -v apt-get >/dev/null || { echo "no apt here"; return 1; }
	mkdir -p "$dir"/etc/{apt.conf.d,preferences.d,trusted.gpg.d} "$dir"/state/lists/partial \
		"$dir"/cache/archives/partial
	: >"$dir/state/status"
	suite_sources "$suite" | sort -u >"$dir/etc/sources.list"
	[[ -s $dir/etc/sources.list ]] ||
		{ echo "no mirror of Debian in this machine's apt configuration"; return 1; }
	# Else apt takes it for well done when the network is gone.
	suite_apt "$suite" apt-get -q -o APT::Update::Error-Mode=any update
}

# suite_depends SUITE PACKAGE: the names, one a line.
suite_depends() {
	suite_apt "$1" apt-cache depends --no-recommends --no-suggests --no-conflicts \
		--no-breaks --no-replaces --no-enhances "$2" 2>/dev/null |
		sed -n 's/^ *|\?\(Pre\)\?Depends: //p'
}
