# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What is to be seen with trace-cmd, perf and bpftrace, and with usk-pins, which is Python.

. "$SRC/tools/tracers.sh"

test_tracers() {
	need_tracers
	stage "tracers: copy" copy_tracers "$RUN/tracers/tracers"
	stage "tracers: find what the pages say" find_commands "$RUN/commands-of-tracers"
	cp -r "$RUN/commands-of-tracers/tracers" "$RUN/tracers/commands.d"
	test_payload tracers stock tracers.sh 1800 1800
}
