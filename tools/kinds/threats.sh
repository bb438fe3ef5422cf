# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Who can look into the module, hold it up, or have it hold memory, in the stock kernel.

test_threats() {
	test_payload threats stock threats.sh 600 900 slab_nomerge
}
