#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# How look-ups of @us on two processors get along with each other, and with UIDs that come and go
# meanwhile. To be run in a guest whose processors run at the same time, as root, with the module
# absent. Code is patched while there is one processor: boot with maxcpus=1.
#
# Usage: rate.sh [--list]
#
# Each figure is a line "# rate: SIDE CALLERS UIDS NEIGHBOUR NUMBER", in look-ups each second of
# the machine's time, which says nothing by itself: only their ratios do. They are taken by turns.

cd "$(dirname "$0")" || exit
. ./functions.sh

ONLINE=/sys/devices/system/cpu/cpu1/online
ROUNDS=11
MILLISECONDS=500

RATES="present: with the module
absent: without it
two_uids: two callers of different UIDs get 1.9 times as much done as one
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
			1 same idle
			1 same creator
		EOF
	done >"$WORK/$1"
	sort -k 1,3 -k 4n "$WORK/$1" | awk -v side="$1" -v middle="$(((ROUNDS + 1) / 2))" '
		{ what = $1 " " $2 " " $3; n = what == last ? n + 1 : 1; last = what }
		n == middle { print "rate:", side, what, $4 }
	' | tee -a "$WORK/rates" | sed 's/^/# /'
}

second_processor() {
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

# at_least PER_MILLE THIS THAT: what comes after "rate: module".
at_least() {
	this=$(sed -n "s/^rate: module $2 //p" "$WORK/rates")
	that=$(sed -n "s/^rate: module $3 //p" "$WORK/rates")
	note "$this against $that"
	{ [ "${that:-0}" -gt 0 ] && [ $((${this:-0} * 1000)) -ge $((${that:-0} * $1)) ]; } ||
		complain "${this:-nothing} is less than $1 per mille of ${that:-nothing}"
}

two_uids() {
	at_least 1900 "2 different none" "1 same none"
}

undisturbed() {
	at_least 950 "1 same creator" "1 same idle"
}

run_tests rate "$RATES" "$1"
