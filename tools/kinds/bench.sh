# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What look-ups cost, in the stock kernel, on a machine that counts instructions.

test_bench() {
	ACCEL=icount test_payload bench stock bench.sh 600 1800
}

# Where the instructions go: the guest is followed step by step.
test_trace() {
	mkfifo "$(results trace)/answers"
	touch "$(results trace)/followed"
	ACCEL=icount test_payload trace stock trace.sh 600 900
}

# Ratios of rates, on a machine whose processors run at the same time.
test_rate() {
	local accelerator=$ACCEL
	[[ $ACCEL = kvm ]] || accelerator=parallel
	ACCEL=$accelerator test_payload rate stock rate.sh 600 600 maxcpus=1
}
