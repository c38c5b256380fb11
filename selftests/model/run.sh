#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Check the models exhaustively with Spin: every scene holds, and every mistake that one can
# switch on (BUG_x) is found in the scene named beside it. Prints TAP; needs spin and gcc.
#
# usage: run.sh [DIRECTORY]    where to build; kept, with the trails of what fails
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
model=$here/promotion.pml
scenes=(1 2 3 4)

# BUG:SCENE: the mistake, and the smallest scene that shows it.
bugs=(
	DUPLICATE:1 SECOND_ACK:1 RST:2 EXPIRE:2 NO_COPY:2 EVICT:4 RESERVATION:3
	COMMIT_CLOSED:2 ENQUEUE_CLOSED:2 ORPHAN:2 CLOSE:2 SLOT:2 MARK:2 LOST_CHILD:2
	DONE:3 WAKEUP:2 UNREACHED:2 LISTEN_EARLY:1
)

# verify NAME DEFINE...: 0 no error, 1 an error was found, 2 it did not run to its end. The
# verifier's words are in $dir/NAME/log.
verify() (
	local name=$1

	shift
	rm -rf "${dir:?}/$name"
	mkdir -p "$dir/$name" && cd "$dir/$name" || exit 2
	{
		spin "$@" -a "$model" && gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=3072 -o pan pan.c &&
			./pan -m100000
	} >log 2>&1 || exit 2
	rm -f pan pan.*
	grep -qE 'max search depth too small|out of memory|aborted' log && exit 2
	grep -q 'errors: 0$' log && exit 0
	grep -q 'errors: 1$' log && exit 1
	exit 2
)

result() {
	number=$((number + 1))
	if [[ $1 == ok ]]; then
		echo "ok $number $2"
	else
		sed 's/^/# /' "$dir/$3/log"
		echo "not ok $number $2"
		failed=1
	fi
}

# What runs, less than all CPUs at a time: each takes a few hundred megabytes.
queue() {
	while [[ $(jobs -rp | wc -l) -ge $(nproc) ]]; do wait -n; done
	{ verify "$@"; echo $? >"$dir/$1.status"; } &
}

main() {
	local scene bug name verdict number=0 failed=0

	command -v spin >/dev/null || { echo "1..0 # SKIP no spin"; exit 4; }
	dir=${1-}
	if [[ -z $dir ]]; then
		dir=$(mktemp -d)
		trap 'rm -rf "$dir"' EXIT
	fi
	mkdir -p "$dir"
	dir=$(cd "$dir" && pwd)
	echo "TAP version 13"
	echo "1..$((${#scenes[@]} + ${#bugs[@]}))"
	for scene in "${scenes[@]}"; do
		queue "scene$scene" "-DSCENE=$scene"
	done
	for bug in "${bugs[@]}"; do
		queue "${bug%:*}" "-DSCENE=${bug#*:}" "-DBUG_${bug%:*}"
	done
	wait
	for scene in "${scenes[@]}"; do
		name=scene$scene
		grep 'states, stored' "$dir/$name/log" | sed "s/^ */# scene $scene: /"
		[[ $(<"$dir/$name.status") == 0 ]] && verdict=ok || verdict=no
		result "$verdict" "promotion: scene $scene holds" "$name"
	done
	for bug in "${bugs[@]}"; do
		name=${bug%:*}
		[[ $(<"$dir/$name.status") == 1 ]] && verdict=ok || verdict=no
		result "$verdict" "promotion: the mistake $name is found" "$name"
	done
	exit "$failed"
}

dir=''
main "$@"
