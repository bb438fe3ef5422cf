# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Secrets are looked for in the memory of the guest, from outside.

test_memory() {
	need_space 2000
	mkfifo "$(results memory)/answers"
	test_payload memory stock memory.sh 600 600
}
