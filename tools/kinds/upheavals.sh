# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The module comes and goes while the ground shakes, in the stock kernel.

test_upheavals() {
	test_payload upheavals stock upheavals.sh 900 3600
}
