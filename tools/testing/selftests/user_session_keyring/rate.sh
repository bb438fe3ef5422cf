#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# How look-ups of @us on two processors get along with each other, and with UIDs that come and go
# meanwhile. To be run in a guest whose processors run at the same time, as root, with the module
# absent. Code is patched while there is one processor: boot with maxcpus=1.
#
# Usage: rate.sh [--list]
#
# Each figure is a line "# rate: SIDE CALLERS UIDS NEIGHBOUR NUMBER": how much gets done, in a
# thousandth of what a single caller does, or of what one does beside an idle neighbour if there is
# one. A machine is now faster, now slower, so both are measured at once, time and again, and NUMBER
# is the median. What two callers can do at best, with QEMU's own threads beside them, those of
# getuid() do.

cd "$(dirname "$0")" || exit
. ./functions.sh

ONLINE=/sys/devices/system/cpu/cpu1/online
ROUNDS=61
MILLISECONDS=100

RATES="present: with the module
absent: without it
two_uids: two callers of different UIDs get 0.95 times as much done as they can
undisturbed: UIDs that come and go cost a caller 5 % at most"

# rate SIDE
rate() {
	for _ in $(seq "$ROUNDS"); do
		while read -r callers uids neighbour; do
			# shellcheck disable=SC2086 # no more than words
			echo "$callers $uids $neighbour" \
				"$(./rate $callers $uids $neighbour "$MILLISECONDS")"
		done <<-EOF
			1 same none
			2 same none
			2 different none
			1 getuid none
			2 getuid none
			1 same idle
			1 same creator
		EOF
	done >"$WORK/$1"
	awk '
		$1 == 1 && $3 != "creator" { than = $4; next }
		{ print $1, $2, $3, int($4 * 1000 / than) }
	' "$WORK/$1" | sort -k 1,3 -k 4n | awk -v side="$1" -v middle="$(((ROUNDS + 1) / 2))" '
		{ what = $1 " " $2 " " $3; n = what == last ? n + 1 : 1; last = what }
		n == middle { print "rate:", side, what, $4 }
	' | tee -a "$WORK/rates" | sed 's/^/# /'
}

# What the kernel says of a processor that comes and goes, and of a clock that is not even.
second_processor() {
	also_expected="^<[56]>(smpboot:|calibrate_delay_direct\(\)|Probably due to long platform) "
	holds "$ONLINE" "$1" || echo "$1" >"$ONLINE" || complain "no second processor: $1"
}

present() {
	second_processor 0
	load
	second_processor 1
	rate module
	second_processor 0
	unload
}

absent() {
	second_processor 1
	rate in-tree
}

# rate_of WHAT
rate_of() {
	sed -n "s/^rate: module $1 //p" "$WORK/rates"
}

two_uids() {
	at_least 950 "$(rate_of "2 different none")" "$(rate_of "2 getuid none")"
}

undisturbed() {
	at_least 950 "$(rate_of "1 same creator")" 1000
}

run_tests rate "$RATES" "$1"
