# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The module comes and goes, thousands of times, in the stock kernel. Half of the time of a guest is
# spent waiting: at full length these are four guests, which may well run at once.

test_takeovers() {
	test_payload takeovers stock takeovers.sh 600 3600 slab_nomerge
}

test_takeovers_2() {
	test_payload takeovers-2 stock takeovers.sh 600 3600 slab_nomerge usk.guest=2
}

test_takeovers_3() {
	test_payload takeovers-3 stock takeovers.sh 600 3600 slab_nomerge usk.guest=3
}

test_takeovers_4() {
	test_payload takeovers-4 stock takeovers.sh 600 3600 slab_nomerge usk.guest=4
}
