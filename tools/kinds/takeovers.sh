# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The module comes and goes, thousands of times, in the stock kernel. Half of the time of a guest is
# spent waiting: at full length these are four guests, which may well run at once.

# take_over KIND NUMBER: the guest of that number.
take_over() {
	test_payload "$1" stock takeovers.sh 600 3600 slab_nomerge "usk.guest=$2"
}

test_takeovers() {
	take_over takeovers 1
}

test_takeovers_2() {
	take_over takeovers-2 2
}

test_takeovers_3() {
	take_over takeovers-3 3
}

test_takeovers_4() {
	take_over takeovers-4 4
}
