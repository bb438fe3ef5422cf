#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The module comes and goes as fast as the kernel allows, in the guest, as root, with the module
# absent: takeovers.c lets it, and keeps the ledger.
#
# Usage: takeovers.sh [--list]
#
# The file "size" says how often: "full", or "short" if it is missing.

cd "$(dirname "$0")" || exit
. ./functions.sh
. ./slabs.sh

# LIMIT is less than one object for each take-over alone, and more than chance was seen to leave.
if holds size full; then
	ALONE=2400 TOGETHER=100 LIMIT=1300
else
	ALONE=95 TOGETHER=5 LIMIT=85
fi

TAKEOVERS="alone: with one processor, as fast as it goes
together: with two processors
objects_left: nothing is left in the slabs"

CPU1=/sys/devices/system/cpu/cpu1/online

# So many are what the log has room for.
BATCH=200

# take_over COUNT: what they tell is added up.
take_over() {
	remaining=$1
	while [ "$remaining" -gt 0 ] && no_complaints; do
		batch=$((remaining < BATCH ? remaining : BATCH))
		remaining=$((remaining - batch))
		mark_log
		./takeovers "$batch" 20000 >"$WORK/ledger" || complain "takeovers: status $?"
		grep '^#' "$WORK/ledger" | head -n 20
		grep -v '^#' "$WORK/ledger" >>"$WORK/ledgers"
		check_log
	done
}

total() {
	awk -v name="$1" '$1 == name { sum += $2 } END { print sum + 0 }' "$WORK/ledgers"
}

# The other one's idle task need not be waited for. Each transition waits for the next second
# otherwise.
alone() {
	echo 0 >"$CPU1"
	also_expected="^<6>smpboot: CPU 1 is now offline\$"
	# Caches are warm, and every path has been taken, when it begins.
	./takeovers 20 20000 >"$WORK/ledger" || complain "warming up: status $?"
	count_objects
	take_over "$ALONE"
	same "take-overs" "$(total takeovers)" "$ALONE"
	settle "$LIMIT"
	[ "$ALONE" -lt 16 ] || met "UIDs that came back as survivors" "$(total survivors)"
}

together() {
	echo 1 >"$CPU1"
	take_over "$TOGETHER"
	same "take-overs" "$(total takeovers)" $((ALONE + TOGETHER))
	for what in lives added read; do
		met "$what" "$(total "$what")"
	done
	guest=$(sed -n 's/.* usk\.guest=\([0-9]*\).*/\1/p' /proc/cmdline)
	note "figure: take-overs, guest $guest: $(total takeovers)"
	note "figure: keys lost by take-overs, guest $guest: $(total lost)"
	note "figure: keys left by UIDs that are gone, guest $guest: $(total left)"
	note "measured: pairs taken over, guest $guest: $(total pairs)"
	note "measured: keys found during take-overs, guest $guest: $(total read)"
}

objects_left() {
	none_has_grown "$LIMIT" "$ALONE take-overs"
}

if [ "$1" != --list ]; then
	# The console takes its time for what is no more than a notice. The log has it all.
	echo 5 >/proc/sys/kernel/printk
	drop_caches_silently
fi
run_tests take-over "$TAKEOVERS" "$1"
