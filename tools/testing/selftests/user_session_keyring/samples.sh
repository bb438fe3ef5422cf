# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# The samples, in the kernel without the module: each does what its head says.

list_samples() {
	echo "sample: rust_livepatch"
}

samples() {
	begin_test
	rust_livepatch
	end_test "sample: rust_livepatch"
}

rust_livepatch() {
	sample=/sys/kernel/livepatch/rust_livepatch
	before=$(cat /proc/cmdline)
	insmod ./rust_livepatch.ko || complain "insmod failed"
	wait_for 30 holds $sample/transition 0 ||
		complain "the transition does not end"
	same "/proc/cmdline, patched" "$(cat /proc/cmdline)" \
		"rust_livepatch: this has been live patched"
	echo 0 >$sample/enabled
	wait_for 30 missing $sample || complain "it cannot be disabled"
	wait_for 10 rmmod rust_livepatch 2>/dev/null ||
		complain "it cannot be removed"
	same "/proc/cmdline, removed" "$(cat /proc/cmdline)" "$before"
}
