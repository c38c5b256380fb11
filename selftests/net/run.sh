#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Run the system tests, or those named; in the VM: scripts/vm -- selftests/net/run.sh [TEST...]
#
# --queue DIR: VMs with one DIR share the tests. Each takes the next that none has taken yet, by a
# directory of its name there, so that none waits for another at the end.
#
# A test is an executable *_test.sh or *_test.py here, or a compiled *_test in
# build/selftests/net. It prints TAP as the kernel's selftests do (exit status 0, 1, or 4:
# skipped). A line "# clock=instructions" in a script asks for scripts/vm --icount, which scripts/check
# gives it (check-lib.sh). A line "# timeout=SECONDS" gives it other than the usual time;
# LQ_TIME_SCALE=N gives every test N times as much, for slow kernels; LQ_TIME_LIMIT=SECONDS so
# many, for long runs.
#
# Output is that of the kernel's runner: each test's own TAP behind "# ", then its result. A test
# that fails with no "not ok" of its own, or does less than its plan, fails as a whole, and its
# result line says why.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
compiled=$top/build/selftests/net
default_timeout=180
cgroup=/sys/fs/cgroup/selftest

export PATH=$top/build/tools:$PATH
export LQ_TOP=$top LQ_TOOLS=$top/build/tools LQ_TESTS=$compiled
export LQ_KSELFTEST=$top/build/kselftest

find_tests() {
	local name file found dirs=("$here")

	if [[ $# -eq 0 ]]; then
		[[ ! -d $compiled ]] || dirs+=("$compiled")
		find "${dirs[@]}" -maxdepth 1 -type f -perm -u+x \
			\( -name '*_test.sh' -o -name '*_test.py' -o -name '*_test' \) |
			awk -F/ '{ print $NF "\t" $0 }' | sort | cut -f2
		return
	fi
	for name in "$@"; do
		found=
		for file in "$here/$name" "$here/$name"_test.{sh,py} "$compiled/$name" \
			"$compiled/${name}_test" "$name"; do
			[[ -f $file ]] && { realpath "$file"; found=1; break; }
		done
		[[ -n $found ]] || { echo "run.sh: no test $name" >&2; return 1; }
	done
}

# Nothing that a test started or made is left to the next one.
tidy() {
	local name

	if [[ -e $cgroup/cgroup.kill ]]; then
		echo 1 >"$cgroup/cgroup.kill"
		while grep -q 'populated 1' "$cgroup/cgroup.events"; do sleep 0.05; done
	fi
	for name in $(ip netns list 2>/dev/null | cut -d' ' -f1); do
		ip netns delete "$name"
	done
}

# The words after a test's own result line, from what it printed and its exit status.
# Empty: all is well. "-": its own lines say what failed.
judge() {
	awk -v status="$1" -v seconds="$2" '
		/^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; planned = 1 }
		/^1\.\.0 .*SKIP/ { skip = 1 }
		/^(not )?ok([ \t]|$)/ { ran++ }
		/^not ok([ \t]|$)/ { failed++ }
		END {
			if (status == 124 || status == 137)
				print "FAILED: not done after " seconds " s"
			else if (status > 128)
				print "FAILED: died of signal " status - 128
			else if (planned && ran < plan)
				print "FAILED: ran " ran + 0 " of " plan " tests"
			else if (ran == 0 && (status == 4 || skip))
				print "SKIP"
			else if (ran == 0)
				print "FAILED: ran no test (exit status " status ")"
			else if (failed)
				print "-"
			else if (status != 0 && status != 4)
				print "FAILED: exit status " status
		}'
}

run_test() {
	local file=$1 number=$2 name=${1##*/} copy seconds status verdict start=$SECONDS

	seconds=$default_timeout
	case $name in
	*.sh | *.py)
		seconds=$(sed -n 's/^# timeout=\([0-9]*\)$/\1/p' "$file" | head -n1)
		seconds=${seconds:-$default_timeout}
		;;
	esac
	seconds=${LQ_TIME_LIMIT:-$((seconds * ${LQ_TIME_SCALE:-1}))}
	[[ ! -w /dev/kmsg ]] || echo "selftest: $name" >/dev/kmsg
	echo "# selftests: net: $name"
	exec 3> >(exec tee "$output" | sed -u 's/^/# /')
	copy=$!
	(
		[[ ! -d $cgroup ]] || echo "$BASHPID" >"$cgroup/cgroup.procs"
		cd "$here" && exec timeout -k 5 "$seconds" "$file" </dev/null
	) >&3 2>&1 3>&-
	status=$?
	exec 3>&-
	tidy
	wait "$copy" # All output is out before the result.
	verdict=$(judge "$status" "$seconds" <"$output")
	case $verdict in
	'') echo "ok $number $name # $((SECONDS - start)) s" ;;
	SKIP*) echo "ok $number $name # $verdict" ;;
	-) echo "not ok $number $name"; return 1 ;;
	*) echo "not ok $number $name # $verdict"; return 1 ;;
	esac
}

main() {
	local tests file list queue='' number=0 failed=0

	if [[ ${1-} == --queue ]]; then
		[[ -d ${2-} && -w $2 ]] ||
			{ echo "run.sh: --queue: no directory to write to: ${2-}" >&2; exit 2; }
		queue=$2
		shift 2
	fi
	list=$(find_tests "$@") || exit 2
	[[ -n $list ]] || { echo "run.sh: no tests" >&2; exit 2; }
	mapfile -t tests <<<"$list"
	output=$(mktemp)
	trap 'rm -f "$output"' EXIT
	mkdir -p "$cgroup" 2>/dev/null || true
	echo "TAP version 13"
	[[ -n $queue ]] || echo "1..${#tests[@]}"
	for file in "${tests[@]}"; do
		[[ -z $queue ]] || mkdir "$queue/${file##*/}" 2>/dev/null || continue
		number=$((number + 1))
		run_test "$file" "$number" || failed=1
	done
	[[ -z $queue ]] || echo "1..$number"
	exit "$failed"
}

main "$@"
