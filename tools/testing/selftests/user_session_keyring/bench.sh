#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What look-ups cost, in instructions, with the module and without it, and whether that is what
# Documentation/performance.rst says. To be run in a guest whose clock counts instructions, as root,
# with the module absent.
#
# Usage: bench.sh [--list]
#
# The file "size" says how much of it: "full", or "short" if it is missing. Each figure is a line
# "# bench: SIDE UIDS NAMESPACES COST NUMBER", where SIDE is "module" or "in-tree", and COST is one
# that bench.c knows.

cd "$(dirname "$0")" || exit
. ./functions.sh

if holds size full; then
	UIDS="1000 10000 100000" NAMESPACES=1000 BLOCKS=40
else
	UIDS=1000 NAMESPACES=100 BLOCKS=10
fi
# The first of them. Others are counted from 1.
FIRST=10000

# What was measured and 2 %, which is what it may cost.
US_LIMIT=1021

BENCH="present: with the module
absent: without it
limit: @us costs at most $US_LIMIT instructions
many_uids: @us costs 2 % more at most when many UIDs are on record
many_namespaces: @us costs 5 % more at most when its UID has many namespaces"
# What takes long has other things in it that come and go: it takes many blocks.
if holds size full; then
	BENCH="$BENCH
first_access: the first look-up of a UID costs 1.15 times of what it does in-tree at most
lives: a process costs 1 % more at most, be there a record of its UID or not"
fi

# Its caches are as they will be, and whatever came with booting is over.
settle() {
	sleep 2
}

# measure SIDE UIDS NAMESPACES
measure() {
	settle
	./bench measure "$BLOCKS" >"$WORK/costs" || complain "bench: status $?"
	while read -r name cost; do
		echo "bench: $1 $2 $3 $name $cost"
	done <"$WORK/costs" | tee -a "$WORK/figures" | sed 's/^/# /'
}

is_held() {
	holds "$WORK/held" held
}

# keep COMMAND...: bench does, until the end of the test.
keep() {
	: >"$WORK/held"
	in_background ./bench "$@" >"$WORK/held"
	wait_for 600 is_held || complain "bench $*: it does not come to an end"
}

measure_all() {
	measure "$1" 1 1
	held=1
	for uids in $UIDS; do
		keep hold $((uids - held)) $((FIRST + held))
		held=$uids
		measure "$1" "$uids" 1
	done
	stop_all
	keep hold-namespaces "$NAMESPACES"
	measure "$1" 1 "$NAMESPACES"
	stop_all
}

present() {
	load
	measure_all module
	unload
}

absent() {
	measure_all in-tree
}

# cost SIDE UIDS NAMESPACES NAME
cost() {
	sed -n "s/^bench: $1 $2 $3 $4 //p" "$WORK/figures"
}

limit() {
	at_most 1000 "$(cost module 1 1 @us)" "$US_LIMIT"
}

many_uids() {
	for uids in $UIDS; do
		at_most 1020 "$(cost module "$uids" 1 @us)" "$(cost module 1 1 @us)"
	done
}

many_namespaces() {
	at_most 1050 "$(cost module 1 "$NAMESPACES" @us)" "$(cost module 1 1 @us)"
}

first_access() {
	at_most 1150 "$(cost module 1 1 @us-first)" "$(cost in-tree 1 1 @us-first)"
}

lives() {
	for cost in life life-with; do
		at_most 1010 "$(cost module 1 1 "$cost")" "$(cost in-tree 1 1 "$cost")"
	done
}

if [ "$1" != --list ]; then
	# Each UID is pinned by a file, and has two keyrings; all namespaces are one UID's.
	# Where memory lies is not to differ from one process to the next.
	sysctl -q -w kernel.randomize_va_space=0 fs.file-max=1000000 fs.nr_open=1000000 \
		user.max_user_namespaces=10000 kernel.keys.maxkeys=100000 \
		kernel.keys.maxbytes=100000000 || exit
	# shellcheck disable=SC3045 # the guest's shell has it
	ulimit -n 1000000
fi
run_tests bench "$BENCH" "$1"
