#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The test suite of keyutils, without the module and with it: the same verdict,
# test by test. In the guest, as root, with the module absent, and with the
# suite and the tools that it takes in world/.
#
# Usage: keyutils.sh [--list]
#
# The file "size" says how much of it: "full", or "short" if it is missing. If there
# is a file "limits", it is the one test that takes longer than all others together.

cd "$(dirname "$0")" || exit
. ./functions.sh

SUITE=world/suite
RECORDS=/sys/kernel/debug/$MODULE/records

# Each test may take so many seconds. This one adds a key of every length up to a megabyte.
TIME_LIMIT=1400
LIMITS="features/limits"

# What does not pass without the module, and why. There may be no others.
KNOWN="bugzillas/bz1031154: the stock kernel has no keys of type big_key
keyctl/watch/bad-args: the stock kernel has no watch queues"

# The short form: in these the module is asked. In the others nobody needs the pair, and they show
# no more than that nothing else has changed. The full form finds out whether this is so.
SHORT="keyctl/id/valid
keyctl/move/bad-args
keyctl/requesting/bad-args
keyctl/requesting/piped
keyctl/requesting/valid"

list_suite() {
	if [ -e limits ]; then
		echo "$LIMITS"
	elif holds size full; then
		find "$SUITE" -mindepth 2 -name runtest.sh |
			sed "s|^$SUITE/||; s|/runtest.sh\$||" | grep -vxF "$LIMITS" | sort
	else
		echo "$SHORT"
	fi
}

list() {
	list_suite | sed 's/.*/keyutils: &: same verdict as without the module/'
	echo "keyutils: the module is asked where it should be, and leaves nothing behind"
}

uptime() {
	awk '{ printf "%d", $1 * 1000 }' /proc/uptime
}

# run_test NAME: what it says of itself is in its test.out, a step in each line with "+++".
run_test() {
	start=$(uptime)
	TEST=$1 timeout "$TIME_LIMIT" chroot world bash -c "cd suite/$1 && exec bash ./runtest.sh" \
		>"$WORK/output" 2>&1
	status=$?
	record=$SUITE/$1/test.out
	steps=$(grep -c '^+++ ' "$record")
	if [ "$status" -ne 0 ]; then
		verdict="FAILED in step $steps with status $status"
	elif grep -q '^++++ SKIPPING TEST' "$record"; then
		verdict="SKIPPED"
	else
		verdict="PASSED in $steps steps"
	fi
	mv "$record" "$WORK/record"
	took=$(($(uptime) - start))
}

# A suite that fails everywhere alike would show nothing.
check_absent() {
	known=$(echo "$KNOWN" | sed -n "s|^$1: ||p")
	case $2 in
	PASSED*) [ -z "$known" ] || complain "it passes, and is known not to: $known" ;;
	*) [ -n "$known" ] || complain "it fails without the module, and nobody knows why" ;;
	esac
}

look_ups() {
	echo $(($(counter hits) + $(counter misses) + $(counter rcu_hits) + $(counter rcu_misses)))
}

play_absent() {
	while read -r name; do
		run_test "$name"
		echo "$verdict" >"$WORK/absent $(echo "$name" | tr / .)"
	done <"$WORK/suite"
}

play_present() {
	while read -r name; do
		wrong=0
		absent=$(cat "$WORK/absent $(echo "$name" | tr / .)")
		before=$(look_ups)
		run_test "$name"
		asked=$(($(look_ups) - before))
		[ "$asked" -eq 0 ] || echo "$name" >>"$WORK/asked"
		check_absent "$name" "$absent"
		[ "$absent" = "$verdict" ] || {
			complain "without the module $absent, with it $verdict:"
			sed 's/^/#   /' "$WORK/record" "$WORK/output"
			differ=$((differ + 1))
		}
		note "$name: without and with the module $verdict${known:+: $known}," \
			"$asked look-ups, $took ms"
		result "$wrong" "keyutils: $name: same verdict as without the module"
	done <"$WORK/suite"
}

on_record() {
	tail -n +2 "$RECORDS" | cut -d ' ' -f 1,2,5
}

if [ "$1" = --list ]; then
	list
	exit
fi

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM
echo "TAP version 13"
echo "1..$(list | wc -l)"
for folder in proc sys dev; do
	mount -o rbind /$folder world/$folder || exit
done
list_suite >"$WORK/suite"
: >"$WORK/asked"
differ=0

play_absent
begin_test
load
loaded=$wrong
before_all=$(on_record)
play_present
wrong=$loaded
asked=$(look_ups)
[ ! -e limits ] || SHORT=
same "the tests in which the module is asked" "$(cat "$WORK/asked")" "$SHORT"
same "what is on record" "$(on_record)" "$before_all"
same "survivors" "$(counter survivors)" 0
unload
[ -e limits ] && which="keyutils $LIMITS" || which="keyutils"
note "figure: $which tests: $(wc -l <"$WORK/suite")"
note "figure: $which verdicts that differ: $differ"
note "measured: $which look-ups that the module answered: $asked"
end_test "keyutils: the module is asked where it should be, and leaves nothing behind"

exit $((failed > 0))
