# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The KUnit suites, in the KUnit kernel. FILTER is a glob of suites, or of suite.test.

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
