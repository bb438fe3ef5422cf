#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Whether secrets are in the guest's memory, when they should be and when they should not: run in
# the guest, as root, with the module absent. tools/memory.py, which reads the output, looks through
# the memory and answers on the second serial port.
#
# Usage: memory.sh [--list]

cd "$(dirname "$0")" || exit
. ./functions.sh

# Each test goes on from where the one before it has left things.
MEMORY="left_behind: without the module, secrets are found when their UID is gone
unlinked: without the module, secrets are not found after they were unlinked
alive: with the module, secrets are found while their UID lives
gone: with the module, no more is found than after unlinking when their UID is gone"

# For this file alone.
QUIN=5301
ROSA=5302

list() {
	echo "$MEMORY" | sed "s/^[^:]*: /memory: /"
}

charged() {
	awk -v uid="$1:" '$1 == uid { split($3, keys, "/"); print keys[1] }' /proc/key-users
}

is_charged() {
	[ "$(charged "$1")" = "$2" ]
}

has_secrets() {
	[ "$(wc -l <"$WORK/secrets")" = 3 ]
}

# keep_secrets UID: a process of the UID makes them.
keep_secrets() {
	: >"$WORK/secrets"
	./as "$1" ./secrets >"$WORK/secrets" &
	keeper=$!
	wait_for 20 has_secrets || complain "there are no secrets"
}

leave() {
	kill "$keeper"
	wait "$keeper" 2>/dev/null
	keeper=
}

# look TEXT: how many pieces of each secret are in memory now.
look() {
	echo "# look for $(tr '\n' ' ' <"$WORK/secrets")"
	# shellcheck disable=SC3045 # the guest's shell has it
	read -r -t 120 small large logon <"$PORT" || complain "nobody has looked"
	note "$1: $small pieces of the small secret, $large of the large one, $logon of logon's"
}

# A small secret is four pieces, and the large one is 144 times as large.
all_are_found() {
	{ [ "${small:-0}" -ge 4 ] && [ "${large:-0}" -ge 576 ] && [ "${logon:-0}" -ge 4 ]; } ||
		complain "not all of the secrets are found"
}

# at_most SMALL LARGE LOGON TEXT: TEXT is wrong if more was found, or nobody has looked.
at_most() {
	{ [ "${small:-999}" -le "$1" ] && [ "${large:-999}" -le "$2" ] &&
		[ "${logon:-999}" -le "$3" ]; } || complain "$4"
}

left_behind() {
	keep_secrets "$QUIN"
	leave
	look "the UID is gone"
	all_are_found
}

# What is found now is what the kernel's own code leaves.
unlinked() {
	./as "$QUIN" sh -c "keyctl unlink %user:small @us && keyctl unlink %user:large @u &&
		keyctl unlink %logon:memory:logon @us" || complain "keys cannot be unlinked"
	wait_for 10 is_charged "$QUIN" 2 || complain "keys are left"
	look "unlinked"
	at_most 3 575 3 "unlinking leaves all of a secret"
	baseline="$small $large $logon"
}

alive() {
	# shellcheck disable=SC2119 # without parameters
	load
	keep_secrets "$ROSA"
	look "the UID lives"
	all_are_found
}

gone() {
	leave
	wait_for 10 is_charged "$ROSA" "" || complain "the quota is not given back"
	look "the UID is gone"
	# shellcheck disable=SC2086 # three numbers
	at_most $baseline "more than the kernel's own code leaves is found"
	unload
}

if [ "$1" = --list ]; then
	list
	exit
fi

bail_out() {
	echo "Bail out! $*"
	exit 1
}

PORT=/dev/ttyS1
[ -c "$PORT" ] || bail_out "nobody can answer: run this in the guest"
[ ! -e "/sys/module/$MODULE" ] || bail_out "$MODULE is loaded: remove it first"
WORK=$(mktemp -d)
keeper=
trap '[ -z "$keeper" ] || kill "$keeper"; rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM
# What is answered is not to be said again.
stty -F "$PORT" -echo
echo "TAP version 13"
echo "1..$(list | wc -l)"
echo "$MEMORY" >"$WORK/tests"
while IFS=: read -r function name; do
	begin_test
	"$function"
	end_test "memory:$name"
done <"$WORK/tests"

exit $((failed > 0))
