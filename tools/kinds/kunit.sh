# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The KUnit suites, in the KUnit kernel and in those that watch. FILTER is a glob of suites, or of
# suite.test.

test_kunit() {
	run_kunit kunit 600 kunit
}

test_kunit_kasan() {
	run_kunit kunit-kasan 1200 kasan
}

test_kunit_rt() {
	run_kunit kunit-rt 1200 rt
}

# run_kunit KIND SECONDS KERNEL
run_kunit() {
	local kind=$1 kernel=$3 dir payload=$RUN/$1
	dir=$(results "$kind")
	in_root python3 /mnt/src/tools/kunit_tests.py "${FILTER:-*}" /mnt/src/rust /mnt/src/kunit \
		> "$dir/expected"
	[[ -s $dir/expected ]] ||
		die "no KUnit test matches FILTER=${FILTER-}:" \
			"give a glob of suites, or of suite.test"
	need_kernel "$kernel"
	need_module "$kernel" "$payload"
	cp "$SRC/tools/guest/kunit.sh" "$payload/run"
	printf %s "${FILTER:-*}" > "$payload/filter"
	test_guest "$kind: run in the $kernel kernel" "$dir" "$kernel" "$payload" "$2" "$ACCEL"
	read_kunit "$dir"
}

# read_kunit DIR: what the kernel's own reader makes of the log.
read_kunit() {
	local dir=$1 kunit_py=/mnt/cache/source/tools/testing/kunit/kunit.py
	# Its exit status says no more than its JSON, unless it could make nothing of the log.
	in_root python3 "$kunit_py" parse --json="$(inside "$dir/kunit.json")" \
		"$(inside "$dir/tap")" > "$dir/kunit.log" 2>&1 ||
		grep -q '"status": "\(FAIL\|ERROR\)"' "$dir/kunit.json" ||
		[[ $(< "$dir/status") != ok ]] ||
		echo "unreadable: kunit.py says $(tail -n 1 "$dir/kunit.log")" > "$dir/status"
}
