# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What runs on the host: the refusals, and the rules by which results are judged.

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
