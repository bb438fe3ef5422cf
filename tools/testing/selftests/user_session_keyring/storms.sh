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

if holds size full; then
	LOGINS=10000 REBIRTHS=2000 FLICKERS=60000 NAMESPACES=500 CYCLES=200
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

# Objects of each cache, without those that are free. Stacks of processes that
# have exited are kept for the next ones, and what is mapped there with them.
objects() {
	# What can be had again. What was used of late is spared the first time.
	for _ in 1 2 3; do
		echo 2 >/proc/sys/vm/drop_caches
	done
	for cache in /sys/kernel/slab/*; do
		case $cache in
		*/vmap_area) continue ;;
		esac
		echo 1 >"$cache/shrink" 2>/dev/null
		echo "${cache##*/} $(cut -d ' ' -f 1 "$cache/objects")"
	done | sort
}

# Whether no cache has grown by LIMIT objects.
settled() {
	objects >"$WORK/objects.after"
	grown=$(awk -v limit="$1" '
		NR == FNR { before[$1] = $2; next }
		$2 - before[$1] > most { most = $2 - before[$1]; which = $1 }
		$2 - before[$1] >= limit { print $1 "+" $2 - before[$1] }
		END { print which, most > "/dev/stderr" }
	' "$WORK/objects.before" "$WORK/objects.after" 2>"$WORK/most")
	[ -z "$grown" ]
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
	lives=$(ledger lives)
	lived=$((lived + ${lives:-0}))
}

ledger() {
	sed -n "s/^$1 //p" "$WORK/ledger"
}

# An outcome that was not met shows nothing.
met() {
	[ "$2" -gt 0 ] || complain "there were no $1"
}

stop() {
	for pid in $background; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	background=
}

# Visits until it is enough: keys of the living must be there, whoever answers.
visit() {
	while [ ! -e "$WORK/enough" ]; do
		./storms visits 40 20 "$1" || return
		./storms namespaces 20 "$2" || return
		./flicker 400 6 34000 stay || return
		visits=$((visits + 1))
		echo $visits >"$WORK/visits.$1"
	done
}

in_and_out() {
	cycle=0
	visits=0
	for uid in 30000 31000; do
		: >"$WORK/rounds.$uid"
		chown "$uid" "$WORK/rounds.$uid"
		./as "$uid" ./hammer "$WORK/rounds.$uid" &
		background="$background $!"
	done
	visit 32000 33000 >"$WORK/visit.1" 2>&1 &
	visitor=$!
	while [ "$cycle" -lt "$1" ] && [ "$wrong" = 0 ]; do
		cycle=$((cycle + 1))
		load
		unload
	done
	: >"$WORK/enough"
	wait "$visitor" || complain "visits: $(grep '^#' "$WORK/visit.1" | head -n 5)"
	for pid in $background; do
		kill "$pid"
		wait "$pid" || complain "a process of a living UID ended with status $?"
	done
	background=
	for uid in 30000 31000; do
		met "rounds of UID $uid" "$(cat "$WORK/rounds.$uid")"
	done
	met "visits" "$(cat "$WORK/visits.32000" 2>/dev/null || echo 0)"
	note "$cycle cycles; two who stayed: $(cat "$WORK/rounds.30000") and" \
		"$(cat "$WORK/rounds.31000") rounds;" \
		"40 visits, 20 namespaces, 400 flickers: $(cat "$WORK/visits.32000") times"
}

if [ "$1" = --list ]; then
	list
	exit
fi

RECORDS=/sys/kernel/debug/$MODULE/records
WORK=$(mktemp -d)
background=
trap 'stop; rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM
chmod 711 "$WORK"
echo "TAP version 13"
echo "1..$(list | wc -l)"
lived=0
# The kernel is to say nothing in the log when caches are dropped.
echo 4 >/proc/sys/vm/drop_caches
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
objects >/dev/null
objects >"$WORK/objects.before"
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
# Keys are freed by a work item, and memory after grace periods.
tries=5
until settled $((lived / 2)) || [ "$((tries -= 1))" = 0 ]; do
	sleep 1
done
unload
same "deaths that were missed" "$missed" 0
note "$lived lives, $deaths deaths"
end_storm

begin_test
in_and_out "$CYCLES"
end_storm

begin_test
# One object for every second life would be seen.
note "most: $(cat "$WORK/most") objects, over $lived lives"
[ -s "$WORK/most" ] || complain "there are no caches"
[ -z "$grown" ] || complain "grown by half the number of lives or more: $grown"
end_storm

exit $((failed > 0))
