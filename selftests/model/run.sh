#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Check the models exhaustively with Spin: every scene holds, and every mistake that one can
# switch on (BUG_x) is found in the scene named beside it. Prints TAP; needs spin and gcc.
#
# usage: run.sh [DIRECTORY]    where to build; kept, with the trails of what fails
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# MODEL:SCENE
scenes=(promotion:1 promotion:2 promotion:3 promotion:4 migration:1 migration:2
	parking:1 parking:2 stealing:1 stealing:2)

# MODEL:SCENE:BUG: the mistake, and the smallest scene that shows it.
bugs=(
	promotion:1:{DUPLICATE,SECOND_ACK,LISTEN_EARLY}
	promotion:2:{RST,EXPIRE,NO_COPY,COMMIT_CLOSED,ENQUEUE_CLOSED,ORPHAN,CLOSE,SLOT,MARK}
	promotion:2:{LOST_CHILD,WAKEUP,UNREACHED}
	promotion:3:{RESERVATION,DONE}
	promotion:4:EVICT
	migration:1:{NO_ALIAS,TAG_FIRST,NOT_AGAIN,NOT_MOVING,NO_WAIT,DONE_EARLY,DONE_LATE,PORT_FIRST,TAGS_LAST}
	migration:2:{LEAVE_UNTOLD,ALIAS_LATE,NO_LEAVE,LOOK_ONCE,COUNT_FIRST,HEIR_ENDS}
	parking:1:{LEAVE_FIRST,FORGET_FIRST,CLAIM_FIRST,NO_SECOND_LOOK,UNFILLED,NO_WAIT,NOT_PARKED}
	parking:1:{LOOK_ONCE,SYN_REFUSED,CLAIM_TWICE}
	stealing:1:{NO_LIMIT,NO_LIFE,BACK_CLOSED,ONCE}
	stealing:2:{NO_PLACE,TAKER_CLOSED,PLACE_KEPT,LOST,BACK_UNARMED}
)

# verify NAME MODEL DEFINE...: 0 no error, 1 an error was found, 2 it did not run to its end. The
# verifier's words are in $dir/NAME/log.
verify() (
	local name=$1 model=$here/$2.pml

	shift 2
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
	local scene bug model name verdict number=0 failed=0

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
		queue "$scene" "${scene%:*}" "-DSCENE=${scene#*:}"
	done
	for bug in "${bugs[@]}"; do
		IFS=: read -r model number name <<<"$bug"
		queue "$bug" "$model" "-DSCENE=$number" "-DBUG_$name"
	done
	wait
	number=0
	for scene in "${scenes[@]}"; do
		grep 'states, stored' "$dir/$scene/log" | sed "s/^ */# $scene: /"
		[[ $(<"$dir/$scene.status") == 0 ]] && verdict=ok || verdict=no
		result "$verdict" "${scene%:*}: scene ${scene#*:} holds" "$scene"
	done
	for bug in "${bugs[@]}"; do
		[[ $(<"$dir/$bug.status") == 1 ]] && verdict=ok || verdict=no
		result "$verdict" "${bug%%:*}: the mistake ${bug##*:} is found" "$bug"
	done
	exit "$failed"
}

dir=''
main "$@"
