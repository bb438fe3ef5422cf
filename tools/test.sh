#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make test, make kunit: run all tests, or those of the kinds named, and judge them together.
# Usage: test.sh [host|kunit|end-to-end|memory|storms]...
#
# SIZE=full has the storms rage for as long as their figures in Documentation/testing.rst say.

. "$(dirname "$0")/commands.sh" "$@"

E2E=tools/testing/selftests/user_session_keyring

# Every kind leaves a folder for verdict.py.
results() {
	echo "$RUN/results/$1"
}

# A guest's output is its result. One that hung or died is shown at once.
test_guest() {
	local text=$1 dir=$2 seconds=$5
	shift
	stage "$text" guest "$@"
	case $(< "$dir/status") in
	hung* | died*) explain_guest "$dir" ;;
	esac
}

guest() {
	if [[ -p $1/answers ]]; then
		vm "$@" | in_root python3 /mnt/src/tools/memory.py "$(inside "$1")"
	else
		vm "$@"
	fi > "$1/tap"
}

test_kunit() {
	local dir payload=$RUN/kunit kunit_py=/mnt/cache/source/tools/testing/kunit/kunit.py
	dir=$(results kunit)
	need_kernel kunit
	need_module kunit "$payload"
	cp "$SRC/tools/guest/kunit.sh" "$payload/run"
	printf %s "${FILTER:-*}" > "$payload/filter"
	in_root python3 /mnt/src/tools/kunit_tests.py "${FILTER:-*}" /mnt/src/rust /mnt/src/kunit \
		> "$dir/expected"
	[[ -s $dir/expected ]] ||
		die "no KUnit test matches FILTER=${FILTER-}:" \
			"give a glob of suites, or of suite.test"
	test_guest "KUnit: run in the KUnit kernel" "$dir" kunit "$payload" 600 "$ACCEL"
	# Its exit status says no more than its JSON, unless it could make nothing of the log.
	in_root python3 "$kunit_py" parse --json="$(inside "$dir/kunit.json")" \
		"$(inside "$dir/tap")" > "$dir/kunit.log" 2>&1 ||
		grep -q '"status": "\(FAIL\|ERROR\)"' "$dir/kunit.json" ||
		[[ $(< "$dir/status") != ok ]] ||
		echo "unreadable: kunit.py says $(tail -n 1 "$dir/kunit.log")" > "$dir/status"
}

test_end_to_end() {
	local dir payload=$RUN/e2e
	dir=$(results end-to-end)
	need_kernel stock
	need_module stock "$payload" SAMPLES=m
	stage "end-to-end tests: build" locked build-stock build_end_to_end "$payload"
	cp "$payload/expected" "$dir"
	test_guest "end-to-end tests: run in the stock kernel" "$dir" stock "$payload" 1800 "$ACCEL"
}

# The guest has its memory looked through, from outside.
test_memory() {
	local dir payload=$RUN/memory
	dir=$(results memory)
	need_kernel stock
	need_module stock "$payload"
	stage "end-to-end tests: build" locked build-stock build_end_to_end "$payload"
	mv "$payload/memory.sh" "$payload/run"
	"$payload/run" --list > "$dir/expected"
	need_space 2000
	mkfifo "$dir/answers"
	test_guest "memory: look for secrets in the stock kernel" "$dir" stock "$payload" \
		600 "$ACCEL"
}

test_storms() {
	local dir payload=$RUN/storms seconds=600
	dir=$(results storms)
	need_kernel stock
	need_module stock "$payload"
	stage "end-to-end tests: build" locked build-stock build_end_to_end "$payload"
	mv "$payload/storms.sh" "$payload/run"
	echo "${SIZE:-short}" > "$payload/size"
	"$payload/run" --list > "$dir/expected"
	[[ ${SIZE:-} != full ]] || seconds=3600
	test_guest "storms: run in the stock kernel, ${SIZE:-short}" "$dir" stock "$payload" \
		"$seconds" "$ACCEL" slab_nomerge
	grep '^# ' "$dir/tap" || true
}

build_end_to_end() {
	in_root make -s -C "/mnt/cache/build/stock/$E2E" \
		OUTPUT=/mnt/cache/build/end-to-end KDIR=/mnt/cache/stock
	cp -a "$STATE/build/end-to-end/." "$1"
	[[ -s $1/expected && -x $1/run ]] ||
		die "the end-to-end tests left no command or no list of their names:" \
			"see $E2E/Makefile"
}

test_host() {
	local dir
	dir=$(results host)
	sed -n 's/^\(t_[a-z0-9_]*\)() {$/\1/p' "$SRC/tools/testing/host/run" > "$dir/expected"
	need_kernel stock
	stage "host tests: refusals, verdicts" run_host "$dir"
}

run_host() {
	local status=0
	mkdir "$RUN/host"
	unshare --mount --pid --kill-child --mount-proc \
		"$SRC/tools/testing/host/run" "$RUN/host" > "$1/tap" || status=$?
	echo ok > "$1/status"
	((status == 0)) || echo "failed: it returned $status" > "$1/status"
}

kinds=("$@")
[[ $# != 0 ]] || kinds=(host kunit end-to-end memory storms)

need_root
choose_accelerator
judged=()
for kind in "${kinds[@]}"; do
	mkdir -p "$(results "$kind")"
	"test_${kind//-/_}"
	judged+=("$kind=/mnt/cache/log/results/$kind")
done
remove "$STATE/log/results"
mv "$RUN/results" "$STATE/log/"
echo "results and consoles: $STATE/log/results"
in_root python3 /mnt/src/tools/verdict.py "${judged[@]}"
