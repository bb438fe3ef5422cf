# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The scenarios, conformance, life cycle and life span, in the stock kernel.

test_end_to_end() {
	test_payload end-to-end stock run 3600 3600
}
