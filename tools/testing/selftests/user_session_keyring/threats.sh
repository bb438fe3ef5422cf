#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The threat model, where it takes the module's files, its coming and going, or a
# scale: who may look into it, who can hold it up, and how much memory of it
# somebody without privileges can have. What can be said by playing a scenario is
# in threats.c. In the guest, as root, with the module absent; the caches of the
# slab allocator must not be merged.
#
# Usage: threats.sh [--list]

cd "$(dirname "$0")" || exit
. ./functions.sh
. ./lifecycle.sh
. ./life.sh

THREATS="closed_to_users: a user is refused its files, and may not load, disable or remove it
closed_to_namespaces: root of a namespace is refused them, with mounts of its own
open_to_owner: UID 0 itself owns them, in a namespace and without capabilities as well
no_word_in_the_log: no user has it write to the log
disable_hammered: look-ups of many do not hold up disabling
disable_sleeping: look-ups that sleep hold up disabling for seconds
prolong_linger: anybody can prolong linger
keep_by_looking: many processes can delay the end of another's keyrings, until they stop
end_in_crowd: UIDs that end by the hundred hold up the end of another for seconds
weigh_uids: a UID costs less than the kernel's own records of it
weigh_namespaces: so does a namespace, and quota ends it
weigh_survivors: so does a survivor, which quota pays for
weigh_dead: a UID whose pair is dead costs no more than without the module"

UIDS=500
NAMESPACES=200
SURVIVORS=400
NR_HAMMERS=16
NR_SLEEPERS=16
NR_LOOKING=8

MALLORY=5201
OSCAR=5202
VERA=5203

if [ "$1" = --list ]; then
	list_tests threat "$THREATS"
	exit
fi

RECORDS=$DEBUGFS/records
PARAMETERS=/sys/module/$MODULE/parameters

# refused_to COMMAND...: each file of the module is refused, to be read if only root may, and to be
# written to. COMMAND is to run what follows as somebody.
refused_to() {
	for file in "$RECORDS" "$STATS"; do
		refused "Permission denied" "$@" cat "$file"
	done
	for file in "$RECORDS" "$STATS" "$REAP" "$PARAMETERS/linger" "$PARAMETERS/notice_root" \
		"$LIVEPATCH/enabled"; do
		refused "Permission denied" "$@" sh -c "echo 0 >$file"
	done
	refused "Operation not permitted" "$@" rmmod "$MODULE"
	refused "Operation not permitted" "$@" insmod "./test_klp_own.ko"
}

is_untouched() {
	same "the patch" "$(cat "$LIVEPATCH/enabled")" 1
	same "linger" "$(cat "$PARAMETERS/linger")" 0
	same "reaped" "$(counter reaped)" 0
}

closed_to_users() {
	load
	refused_to ./as "$MALLORY"
	same "linger, read by a user" "$(./as "$MALLORY" cat "$PARAMETERS/linger")" 0
	is_untouched
	unload
}

closed_to_namespaces() {
	load
	refused_to ./as -n "$MALLORY"
	refused_to ./as -n "$MALLORY" unshare -mn
	# In a network namespace of its own it may mount sysfs, but that has the same owners.
	for type in debugfs sysfs; do
		mount_point=$WORK/$type
		mkdir -m 777 "$mount_point"
		./as -n "$MALLORY" unshare -mn sh -c "
			mount -t $type none $mount_point && cd $mount_point &&
				echo 1 >module/$MODULE/parameters/linger" >"$WORK/answer" 2>&1 &&
			complain "a mount of $type lets it write"
		note "$type: $(tail -n 1 "$WORK/answer")"
	done
	is_untouched
	unload
}

# The namespace maps root's own UID; the process has capabilities there alone.
open_to_owner() {
	load
	./as -n 0 cat "$RECORDS" >/dev/null || complain "records should be open to its owner"
	./as -n 0 sh -c "echo 1 >$PARAMETERS/linger" ||
		complain "linger should be open to its owner"
	same "linger" "$(cat "$PARAMETERS/linger")" 1
	refused "Operation not permitted" ./as -n 0 rmmod "$MODULE"
	unload
}

# hold_all KIND COUNT UID: have them held, and their number in $held.
hold_all() {
	: >"$WORK/held"
	in_background ./hold "$@" >"$WORK/held"
	holder=$last
	wait_for 60 test -s "$WORK/held" || complain "hold $*: there is no answer"
	held=$(cat "$WORK/held")
	[ "${held:-0}" -gt 0 ] || complain "hold $*: nothing is held"
}

words() {
	log_since_mark | grep -c "$MODULE: "
}

# Whatever a user does that is refused, or is too much, or dies.
no_word_in_the_log() {
	load
	before=$(words)
	for kind in namespaces dead survivors; do
		hold_all "$kind" 50 45800
		logout "$holder"
	done
	./as "$MALLORY" keyctl revoke @us
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		./as "$MALLORY" keyctl id @us >/dev/null 2>&1
		./as -u "$MALLORY" keyctl id @us >/dev/null
		./as -n "$OSCAR" keyctl id @us >/dev/null
	done
	same "lines in the log" "$(words)" "$before"
	unload
}

# time_disabling WORDS: how long it takes.
time_disabling() {
	start=$(uptime)
	disable
	took=$(($(uptime) - start))
	note "measured: milliseconds to disable it under $1: $took"
	[ "$took" -lt 15000 ] || complain "it took $took ms"
}

# Each of another UID; all but one have to have done something.
disable_hammered() {
	load
	hammers=0
	while [ "$hammers" -lt "$NR_HAMMERS" ]; do
		uid=$((40000 + hammers))
		: >"$WORK/rounds.$uid"
		chown "$uid" "$WORK/rounds.$uid"
		in_background ./as "$uid" ./hammer "$WORK/rounds.$uid"
		hammers=$((hammers + 1))
	done
	wait_for 60 all_have_hammered || complain "not all processes get on"
	time_disabling "$NR_HAMMERS processes at work"
	remove
	for pid in $background; do
		kill -0 "$pid" 2>/dev/null || complain "a process has had a wrong answer"
	done
}

all_have_hammered() {
	for file in "$WORK"/rounds.*; do
		[ -s "$file" ] && [ "$(cat "$file")" -gt 0 ] || return
	done
}

# A UID that comes back within a second waits for what something else pins.
disable_sleeping() {
	load
	hold_all returning "$NR_SLEEPERS" 41000
	wait_for 30 is_at_work || complain "nobody comes back"
	kill -USR1 "$holder"
	wait_for 60 has_told || complain "it cannot be disabled"
	sed 1d "$WORK/held" >"$WORK/slept"
	read -r sleepers took <"$WORK/slept"
	met "look-ups that slept when it was disabled" "${sleepers:-0}"
	note "measured: milliseconds to disable it under $NR_SLEEPERS look-ups that sleep:" \
		"${took:-0}"
	note "$sleepers of them slept at that moment"
	[ "${took:-15000}" -lt 15000 ] || complain "it took $took ms"
	remove
}

is_at_work() {
	[ "$(counter deaths)" -ge $((2 * NR_SLEEPERS)) ]
}

has_told() {
	[ "$(wc -l <"$WORK/held")" = 2 ]
}

# To look a UID up pins it for a moment, as a process of it would. Without linger, that is all.
prolong_linger() {
	insmod "./$MODULE.ko" linger=3 || complain "insmod failed"
	wait_for 30 transition_is 0 || complain "the transition does not end"
	leave_secret "$VERA" "lingers"
	us=$(user_session "$VERA")
	wait_for 10 state_is "$VERA" lingering || complain "it does not linger"
	hold_all looking 1 "$VERA"
	! wait_until 9000 is_freed "$us" || complain "it went, though it was looked at"
	logout "$holder"
	ends "$us" "what nobody looks at"
	unload
}

# wait_until MILLISECONDS COMMAND...: as wait_for, by the clock, for what takes its time itself.
wait_until() {
	deadline=$(($(uptime) + $1))
	shift
	until "$@"; do
		[ "$(uptime)" -lt "$deadline" ] || return 1
		sleep 0.2
	done
}

# Those that are preempted while they look hold their pins meanwhile.
keep_by_looking() {
	load
	login "$VERA"
	process=$last
	leave_secret "$VERA" "looked at"
	us=$(user_session "$VERA")
	hold_all looking "$NR_LOOKING" "$VERA"
	start=$(uptime)
	logout "$process"
	kept="until they stopped"
	! wait_until 10000 is_freed "$us" || kept="for $(($(uptime) - start)) ms"
	note "$NR_LOOKING processes kept them $kept"
	logout "$holder"
	ends "$us" "what nobody looks at"
	unload
}

# Each waits for a grace period, many of them together.
end_in_crowd() {
	load
	hold_all uids "$UIDS" 48000
	login "$VERA"
	process=$last
	leave_secret "$VERA" "in a crowd"
	us=$(user_session "$VERA")
	start=$(uptime)
	logout "$holder"
	logout "$process"
	wait_until 30000 is_freed "$us" || complain "it is there after half a minute"
	took=$(($(uptime) - start))
	note "measured: milliseconds until one of $((UIDS + 1)) UIDs that end at once is gone:" \
		"$took"
	unload
}

# What is in use of each cache, without what is free, and the size of it.
objects() {
	for cache in /sys/kernel/slab/*; do
		echo 1 >"$cache/shrink"
		read -r objects _ <"$cache/objects"
		read -r size _ <"$cache/object_size"
		echo "${cache##*/} $objects $size"
	done
}

# What is freed comes back after grace periods, by work items: wait until it gets no less.
quiet_objects() {
	least=
	falling=2
	while [ "$falling" -gt 0 ]; do
		sleep 0.2
		objects >"$1"
		now=$(awk '{ sum += $2 * $3 } END { print sum }' "$1")
		falling=$((falling - 1))
		if [ -z "$least" ] || [ "$now" -lt "$least" ]; then
			least=$now
			falling=2
		fi
	done
}

# weigh KIND COUNT UID: the bytes for each, in $bytes. What is needed once is there by then, and
# what is not needed for each, as it is for less than half of them, is not counted.
weigh() {
	hold_all "$1" 50 $(($3 + 600))
	logout "$holder"
	quiet_objects "$WORK/empty"
	hold_all "$@"
	[ ! -e "$STATS" ] || "$1_settle"
	quiet_objects "$WORK/full"
	logout "$holder"
	awk -v held="${held:-1}" '
		NR == FNR { before[$1] = $2; next }
		{ each = int(($2 - before[$1]) / held + 0.5) }
		each > 0 { bytes += each * $3; caches = caches " " each " " $1 }
		END { print bytes + 0 caches }' "$WORK/empty" "$WORK/full" >"$WORK/weight"
	read -r bytes caches <"$WORK/weight"
	note "$1: $caches"
}

# Who survives does so when it is dead, and what is dead is forgotten when it is looked for.
survivors_are() {
	[ "$(counter survivors)" = "$1" ]
}

survivors_settle() {
	wait_for 15 survivors_are "$held" || complain "$held do not survive"
}

# Root is on record, and nobody else is meant to be.
is_forgotten() {
	[ "$(grep -c " alive " "$RECORDS")" -le 1 ]
}

dead_settle() {
	wait_for 15 is_forgotten ||
		complain "$(grep -c " alive " "$RECORDS") are on record, though dead"
}

uids_settle() {
	:
}

namespaces_settle() {
	:
}

# weigh_both WORDS KIND COUNT UID UID: without the module, and with it. The kernel's own cost is
# the bound: the same user would have had that without the module as well.
weigh_both() {
	weigh "$2" "$3" "$4"
	absent=$bytes
	load
	weigh "$2" "$3" "$5"
	note "measured: bytes for $1 without the module: $absent"
	note "measured: bytes for $1 with the module: $bytes"
	[ "$absent" -gt 0 ] || complain "it weighs nothing without the module"
	[ "$bytes" -gt 0 ] || complain "it weighs nothing with the module"
	[ "$bytes" -le $((2 * absent)) ] || complain "the module weighs more than the kernel"
}

weigh_uids() {
	weigh_both "a UID with its pair" uids "$UIDS" 42000 43000
	unload
}

weigh_namespaces() {
	weigh_both "a user namespace with a pair" namespaces "$NAMESPACES" 44000 44001
	note "figure: user namespaces in which one UID can have a pair: $held"
	[ "$held" -lt "$NAMESPACES" ] || complain "there is no end to namespaces"
	unload
}

weigh_survivors() {
	weigh_both "a pair that outlives its UID" survivors "$SURVIVORS" 45000 46000
	unload
}

weigh_dead() {
	weigh dead "$UIDS" 47000
	absent=$bytes
	load
	weigh dead "$UIDS" 49000
	same "the bytes of a UID whose pair is dead" "$bytes" "$absent"
	unload
}

WORK=$(mktemp -d)
chmod 711 "$WORK"
trap 'stop_all; rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM
echo "TAP version 13"
echo "1..$(list_tests threat "$THREATS" | wc -l)"
cp request-key /sbin/request-key || exit
play_tests threat "$THREATS"
exit $((failed > 0))
