# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Lives by the thousand, in the stock kernel.

test_storms() {
	test_payload storms stock storms.sh 600 3600 slab_nomerge
}
