# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What scripts/check and scripts/check-debug share; sourced, with $top set.
#
# A check is made of suites, a suite of cases. run() runs a suite; report() prints what failed
# and, as the last line, "N passed, N failed, N skipped". Whole logs are in build/log/.

log=${top:?}/build/log
jobs=$(nproc)
vm_timeout=${LQ_VM_TIMEOUT:-3300} # seconds for all tests in one VM
vm_options=()
work='' suite='' start=0

# Below $work: SUITE.results, lines "pass|fail|skip<TAB>case"; SUITE.failures, what to read.

begin() {
	suite=$1
	start=$SECONDS
	: >"$work/$suite.results"
	: >"$work/$suite.failures"
}

# skip CASE: not tried, and why.
skip() { printf 'skip\t%s\n' "$1" >>"$work/$suite.results"; }

pass() { printf 'pass\t%s\n' "$1" >>"$work/$suite.results"; }

# fail CASE: its output, if any, on stdin.
fail() {
	printf 'fail\t%s\n' "$1" >>"$work/$suite.results"
	{
		echo "FAILED $suite: $1"
		tail -n 60 | cut -c -400 | sed 's/^/    /'
	} >>"$work/$suite.failures"
}

count() { grep -c "^$1" "$work/$suite.results" || true; }

end() {
	local failed skipped line

	[[ -s $work/$suite.results ]] || fail "the suite did not run" </dev/null
	failed=$(count fail)
	skipped=$(count skip)
	line="$(count pass) passed"
	[[ $failed -eq 0 ]] || line+=", $failed failed"
	[[ $skipped -eq 0 ]] || line+=", $skipped skipped"
	printf '%-14s %s (%d s)\n' "$suite" "$line" $((SECONDS - start))
}

# step CASE COMMAND...: a case that passes when the command does.
step() {
	local name=$1 file=$log/$suite.log
	local from

	shift
	from=$(($(wc -l 2>/dev/null <"$file" || echo 0) + 1))
	if "$@" </dev/null >>"$file" 2>&1; then
		pass "$name"
	else
		tail -n "+$from" "$file" | fail "$name"
		return 1
	fi
}

# From a TAP stream on stdin: its cases. A failed one's output is what stands before its line.
take_tap() {
	awk -v suite="$suite" -v results="$work/$suite.results" -v failures="$work/$suite.failures" \
		-v prefix="${1-}" '
		function record(state, name) { print state "\t" prefix name >>results }
		/^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; next }
		/^TAP version/ { next }
		/^(not )?ok / {
			ran++
			bad = /^not/
			name = $0
			sub(/^(not )?ok [0-9]* *(- )?/, "", name)
			if (bad) {
				record("fail", name)
				printf "FAILED %s: %s%s\n%s", suite, prefix, name, text >>failures
			} else {
				record(toupper(name) ~ /# SKIP/ ? "skip" : "pass", name)
			}
			text = ""
			next
		}
		{ text = text "    " $0 "\n" }
		END {
			if (ran < plan || !ran) {
				record("fail", "ran " ran + 0 " of " plan + 0 " cases")
				printf "FAILED %s: %sran %d of %d cases\n%s", suite, prefix, ran, plan, text >>failures
			}
		}'
}

# What selftests/net/run.sh prints: every case of every test, and the tests that failed as a
# whole.
take_selftests() {
	awk -v suite="$suite" -v results="$work/$suite.results" -v failures="$work/$suite.failures" '
		function record(state, name) { print state "\t" name >>results; cases++ }
		function failure(name) {
			record("fail", name)
			printf "FAILED %s: %s\n%s", suite, name, text >>failures
			text = ""
		}
		/^1\.\.[0-9]+$/ { plan = substr($0, 4) + 0; planned = 1; next }
		/^# selftests: net: / { test = $4; inside = 0; text = ""; next }
		test != "" && /^# (not )?ok / {
			line = substr($0, 3)
			name = line
			sub(/^(not )?ok [0-9]* *(- )?/, "", name)
			inside++
			if (line ~ /^not/)
				failure(test ": " name)
			else
				record(toupper(name) ~ /# SKIP/ ? "skip" : "pass", test ": " name)
			text = ""
			next
		}
		test != "" && /^(not )?ok [0-9]+ / {
			files++
			if (/^not ok .* # /) {
				sub(/^not ok [0-9]+ /, "")
				failure($0)
			} else if (/^ok .* # SKIP/ && !inside) {
				record("skip", test)
			}
			test = ""
			next
		}
		{ sub(/^# /, ""); text = text "    " $0 "\n" }
		END {
			if (test != "")
				failure(test ": no end")
			if (!planned)
				failure("it did not come to its end")
			else if (files < plan)
				failure("ran " files + 0 " of " plan + 0 " tests")
		}'
}

# A warning fails the build, and a build that failed starts anew, so that no warning is ever
# hidden by an object that is up to date.
build_module() {
	local kernel=$1 kdir release dir file

	kdir=$(scripts/kernels --kdir "$kernel") || return 1
	release=$(scripts/kernels --release "$kernel") || return 1
	dir=$top/build/check/$release/src
	file=$log/$suite.make.log
	scripts/stage "$dir" || return 1
	if ! scripts/kbuild "$kdir" "M=$dir" -j"$jobs" W=1 modules >"$file" 2>&1; then
		cat "$file"
		rm -rf "$dir"
		return 1
	fi
	if grep -iE 'warning:' "$file" | grep -vF 'compiler differs from the one' |
		grep -v "^$(realpath "$kdir")\|^\./include\|^[^ ]*linux-headers-"; then
		cat "$file"
		rm -rf "$dir"
		return 1
	fi
}

check_module() {
	local kernel=$1 core

	step "builds for $kernel" build_module "$kernel" || return
	core=build/check/$(scripts/kernels --release "$kernel")/src/module/core.o
	if [[ ! -e $core ]]; then
		fail "audit of the core: no object" </dev/null
		return
	fi
	scripts/audit-core "$core" 2>&1 | tee "$log/$suite.audit.log" | take_tap "audit "
	scripts/audit-floors "${core%/core.o}/shim" 2>&1 | tee -a "$log/$suite.audit.log" |
		take_tap "audit "
}

# get_kernel KERNEL: of another suite of Debian. Where its packages cannot be had it is not tried:
# a skipped case that says so. Returns whether it is there.
get_kernel() {
	local kernel=$1 file=$log/$suite.$1.log

	if scripts/kernels "$kernel" </dev/null >"$file" 2>&1; then
		pass "kernel $kernel"
	else
		skip "kernel $kernel: not tried: $(tail -n 1 "$file")"
		return 1
	fi
}

# check_symbols [--some] KERNEL...: whether docs/kernels.md lists what the modules for them touch,
# and, if these are all, nothing else.
check_symbols() {
	local kernel modules=()

	if [[ $1 == --some ]]; then
		modules=("$1")
		shift
	fi

	for kernel in "$@"; do
		modules+=("build/check/$(scripts/kernels --release "$kernel")/src/listenq.ko")
	done
	scripts/audit-symbols "${modules[@]}" 2>&1 | tee "$log/$suite.log" | take_tap
}

# system_tests timed|counted: those with the longest time limit first. Counted are those that say
# "# clock=instructions": they measure time, and a VM that shares CPUs with others stands still for seconds. The
# clock of their VM is its instructions, of which no other VM takes any. It has one CPU, and waiting takes no time:
# while the host reads a file for it, its clock runs away, so such a test reads none where it measures.
system_tests() {
	local file clock

	while read -r file; do
		clock=timed
		! sed 20q "$file" | grep -qx '# clock=instructions' || clock=counted
		[[ $clock == "$1" ]] || continue
		printf '%s\t%s\n' \
			"$(sed -n 's/^# timeout=\([0-9]*\)$/\1/p; 20q' "$file" | head -n 1)" "${file##*/}"
	done < <(find selftests/net build/selftests/net -maxdepth 1 -type f -perm -u+x \
		\( -name '*_test.py' -o -name '*_test.sh' -o -name '*_test' \)) |
		sort -k 1,1nr -k 2 | cut -f 2
}

# counted_vm SUITE KERNEL [TEST...]: a VM for counted tests, all if none is named.
counted_vm() {
	local tests=("${@:3}") vm_options=("${vm_options[@]}" --icount)
	# Of a clock that runs away where a test begins; what limits them is $vm_timeout.
	local -x LQ_TIME_LIMIT=100000

	[[ ${#tests[@]} -gt 0 ]] || mapfile -t tests < <(system_tests counted)
	run "$1" check_vm "$2" "${tests[@]}"
}

# queue_vm SUITE KERNEL: a VM that takes what no other has taken of all timed tests.
queue_vm() {
	local tests

	mapfile -t tests < <(system_tests timed)
	mkdir -p "$work/queue"
	LQ_OUT=$work/queue run "$1" check_vm "$2" --queue /run/out "${tests[@]}"
}

# Once they have ended: each test was taken, whatever became of the VMs.
check_queue() {
	local test missing=0

	while read -r test; do
		[[ -d $work/queue/$test ]] || { fail "$test: no VM ran it" </dev/null; missing=1; }
	done < <(system_tests timed)
	[[ $missing -eq 1 ]] || pass "each test was run"
}

check_tools() {
	local file

	step "builds" make -j"$jobs" -C tools "BUILD=$top/build/tools" || return
	for file in lqctl lqrun liblqrun.so; do
		step "$file is there" test -s "build/tools/$file"
	done
}

check_net_build() {
	step "kselftest headers" scripts/kernels --selftests || return
	step "builds" make -j"$jobs" -C selftests/net "BUILD=$top/build/selftests/net" \
		"KSELFTEST=$top/build/kselftest"
}

# check_vm KERNEL [TEST...]
check_vm() {
	local kernel=$1 status release

	shift
	release=$(scripts/kernels --release "$kernel") || return
	if [[ ! -e build/check/$release/src/listenq.ko ]]; then
		fail "no module for $kernel" </dev/null
		return
	fi
	scripts/vm -k "$kernel" -t "$vm_timeout" "${vm_options[@]}" \
		--module "build/check/$release/src/listenq.ko" -- selftests/net/run.sh "$@" \
		>"$log/$suite.tap" 2>"$log/$suite.log" </dev/null
	status=$?
	take_selftests <"$log/$suite.tap"
	case $status in
	0 | 1) pass "the kernel did not complain" ;;
	124) fail "the VM ended in time" <"$log/$suite.log" ;;
	126) fail "the kernel did not complain" <"$log/$suite.log" ;;
	*) fail "the VM ran the tests (exit status $status)" <"$log/$suite.log" ;;
	esac
}

# run SUITE FUNCTION ARGUMENT...
run() {
	begin "$1"
	rm -f "$log/$1".*
	"${@:2}"
	end
}

prepare() {
	mkdir -p "$log"
	work=$(mktemp -d)
	trap 'rm -rf "$work"; kill $(jobs -p) 2>/dev/null' EXIT
	trap 'exit 130' INT TERM
}

# list_of STATE WORD: what ended so, a line each.
list_of() {
	grep -q "^$1" "$work"/*.results || return 0
	printf '\n%s:\n' "$2"
	(cd "$work" && grep -H "^$1" ./*.results) |
		sed "s/^\.\/\(.*\)\.results:$1\t/    \1: /"
}

# Returns whether all is well.
report() {
	local total failures passed failed skipped

	total=$(cat "$work"/*.results)
	failures=$(cat "$work"/*.failures)
	passed=$(grep -c '^pass' <<<"$total")
	failed=$(grep -c '^fail' <<<"$total")
	skipped=$(grep -c '^skip' <<<"$total")
	if [[ -n $failures ]]; then
		printf '\n%s\n\n' "$failures"
	fi
	list_of skip skipped
	list_of fail failed
	printf 'whole logs: build/log/, %d s\n' "$SECONDS"
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[[ $failed -eq 0 && $passed -gt 0 ]]
}
