#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Lives of UIDs by the thousand, in the guest, as root, with the module absent:
# storms.c and flicker.c keep ledgers, this looks at what is left of it in the
# kernel.
#
# Usage: storms.sh [--list]
#
# The file "size" says how much of it: "full", or "short" if it is missing.

cd "$(dirname "$0")" || exit
. ./functions.sh
. ./load.sh
. ./slabs.sh

if holds size full; then
	LOGINS=5000 REBIRTHS=1000 FLICKERS=30000 NAMESPACES=250 CYCLES=10
else
	LOGINS=400 REBIRTHS=150 FLICKERS=1500 NAMESPACES=60 CYCLES=4
fi
FLICKER_UIDS=6
if is_watched; then
	LOGINS=200
	# Where visits take long, who has many UIDs is never back in time.
	FLICKER_UIDS=3
fi

# The module stays from the first one to the fifth.
STORMS="logins: logins and logouts of 100 UIDs, two at a time
rebirths: UIDs come back while they die
flicker: UIDs flicker
namespaces_of_one: user namespaces of one UID
namespaces_of_many: user namespaces of many UIDs
in_and_out: in and out during all of this
objects_left: nothing is left in the slabs"

RECORDS=/sys/kernel/debug/$MODULE/records

# What others have at hand.
# shellcheck disable=SC2154

records_are() {
	[ "$(tail -n +2 "$RECORDS" | cut -d ' ' -f 1,2 | sort)" = "$1" ]
}

# storm PROGRAM ARGUMENTS...: run it, and see that no record is left.
storm() {
	program=$1
	shift
	before=$(tail -n +2 "$RECORDS" | cut -d ' ' -f 1,2 | sort)
	"./$program" "$@" >"$WORK/ledger" || complain "$program $*: status $?"
	note "$program $*: $(grep -v '^#' "$WORK/ledger" | tr '\n' ' ')"
	grep '^#' "$WORK/ledger" | head -n 20
	wait_for 15 records_are "$before" ||
		complain "records are left: $(cat "$RECORDS")"
	# Few of the visits of flicker are lives of their own.
	[ "$program" = flicker ] || lived=$((lived + $(ledger lives)))
}

ledger() {
	sed -n "s/^$1 //p" "$WORK/ledger"
}

# storm_with_revivals PROGRAM ARGUMENTS...
storm_with_revivals() {
	may_stay=1
	revivals=$(counter revivals)
	storm "$@"
	revivals=$(($(counter revivals) - revivals))
	note "$revivals came back when it was about to be decided"
}

logins() {
	may_stay=1
	lived=0
	load
	# Caches are warm, and every path has been taken, when it begins.
	./storms logins 100 100 6000 >/dev/null || complain "warming up: status $?"
	count_objects
	storm storms logins "$LOGINS" 100 6000
	same "lives" "$(ledger lives)" "$LOGINS"
}

rebirths() {
	storm_with_revivals storms rebirths "$REBIRTHS" 7000
	# Who takes as long as this to come back is seldom so lucky. Those who flicker are.
	is_watched || met "revivals" "$revivals"
	met "searches by RCU that had to look" "$(counter rcu_misses)"
}

flicker() {
	storm_with_revivals flicker "$FLICKERS" "$FLICKER_UIDS" 50000
	met "revivals" "$revivals"
}

namespaces_of_one() {
	may_stay=1
	storm storms namespaces "$NAMESPACES" 8000 same
}

namespaces_of_many() {
	storm storms namespaces "$NAMESPACES" 9000
	deaths=$(counter deaths)
	missed=$(counter missed)
	settle $((lived / 2))
	unload
	same "deaths that were missed" "$missed" 0
	note "$lived lives, $deaths deaths"
}

come_and_go() {
	while [ "$cycle" -lt "$CYCLES" ] && no_complaints; do
		cycle=$((cycle + 1))
		load
		unload
	done
}

in_and_out() {
	cycle=0
	under_load come_and_go
	note "$cycle cycles"
}

# One object for every second life would be seen.
objects_left() {
	none_has_grown $((lived / 2)) "$lived lives"
}

[ "$1" = --list ] || drop_caches_silently
run_tests storm "$STORMS" "$1"
