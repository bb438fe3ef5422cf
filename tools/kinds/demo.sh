# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What make run shows, as one test.

test_demo() {
	local dir payload=$RUN/demo
	dir=$(results demo)
	echo "all that make run shows" > "$dir/expected"
	need_kernel stock
	need_module stock "$payload"
	cp "$SRC/tools/guest/demo.sh" "$payload/run"
	in_root nm -u "$(inside "$payload")/user_session_keyring.ko" > "$dir/imports"
	stage "demo: run in the stock kernel" play_demo "$dir" "$payload"
}

# The output, as comments, is the reason why the test failed.
play_demo() {
	local dir=$1 not='not '
	vm "$dir" stock "$2" 1800 "$ACCEL" > "$dir/output"
	! tail -n 1 "$dir/output" | grep -Eq '^[0-9]+ checks, all held$' || not=
	{
		echo "1..1"
		sed 's/^/# /' "$dir/output"
		echo "${not}ok 1 - $(< "$dir/expected")"
	} > "$dir/tap"
}
