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
	LOGINS=10000 REBIRTHS=2000 FLICKERS=60000 NAMESPACES=500 CYCLES=40
else
	LOGINS=400 REBIRTHS=150 FLICKERS=1500 NAMESPACES=60 CYCLES=4
fi

list() {
	echo "storm: logins and logouts of 100 UIDs, two at a time
storm: UIDs come back while they die
storm: UIDs flicker
storm: user namespaces of one UID
storm: user namespaces of many UIDs
storm: in and out during all of this
storm: nothing is left in the slabs"
}

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

# Load and unload it N times.
in_and_out() {
	while [ "$cycle" -lt "$1" ] && no_complaints; do
		cycle=$((cycle + 1))
		load
		unload
	done
}

if [ "$1" = --list ]; then
	list
	exit
fi

RECORDS=/sys/kernel/debug/$MODULE/records
WORK=$(mktemp -d)
trap 'stop_all; rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM
chmod 711 "$WORK"
echo "TAP version 13"
echo "1..$(list | wc -l)"
lived=0
drop_caches_silently
list >"$WORK/list"
exec 3<"$WORK/list"

end_storm() {
	read -r line <&3
	end_test "$line"
}

begin_test
load
# Caches are warm, and every path has been taken, when it begins.
./storms logins 100 100 6000 >/dev/null || complain "warming up: status $?"
count_objects
storm storms logins "$LOGINS" 100 6000
same "lives" "$(ledger lives)" "$LOGINS"
end_storm

begin_test
revivals=$(counter revivals)
storm storms rebirths "$REBIRTHS" 7000
revivals=$(($(counter revivals) - revivals))
note "$revivals came back when it was about to be decided"
met "revivals" "$revivals"
met "searches by RCU that had to look" "$(counter rcu_misses)"
end_storm

begin_test
revivals=$(counter revivals)
storm flicker "$FLICKERS" 6 50000
revivals=$(($(counter revivals) - revivals))
note "$revivals came back when it was about to be decided"
met "revivals" "$revivals"
end_storm

begin_test
storm storms namespaces "$NAMESPACES" 8000 same
end_storm

begin_test
storm storms namespaces "$NAMESPACES" 9000
deaths=$(counter deaths)
missed=$(counter missed)
settle $((lived / 2))
unload
same "deaths that were missed" "$missed" 0
note "$lived lives, $deaths deaths"
end_storm

begin_test
cycle=0
under_load in_and_out "$CYCLES"
note "$cycle cycles"
end_storm

begin_test
# One object for every second life would be seen.
note "most: $(cat "$WORK/most") objects, over $lived lives"
[ -s "$WORK/most" ] || complain "there are no caches"
[ -z "$grown" ] || complain "grown by half the number of lives or more: $grown"
end_storm

exit $((failed > 0))
