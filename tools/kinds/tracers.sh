# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What is to be seen with trace-cmd, perf and bpftrace, and with usk-pins, which is Python.

. "$SRC/tools/tracers.sh"

test_tracers() {
	need_tracers
	stage "tracers: copy" copy_tracers "$RUN/tracers/tracers"
	test_payload tracers stock tracers.sh 1800 1800
}
