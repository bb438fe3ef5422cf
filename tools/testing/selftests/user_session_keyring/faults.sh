#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Allocations fail, each in its turn, with the module absent, present, coming and going: faults.c
# has it done on one path, and this looks at what is left. In the guest, as root, with the module
# absent, in a kernel that has fault injection. In one that is watched only the module is of
# interest, and of what takes long a part.
#
# Usage: faults.sh [--list]

cd "$(dirname "$0")" || exit
. ./functions.sh
# These grow by nothing else that goes on here.
CACHES="key_jar uid_cache user_namespace"
. ./slabs.sh

list_paths() {
	for when; do
		./faults --list "$when"
	done
}

list() {
	is_watched || list_paths always | sed 's/^/absent: /'
	echo "in, out, and in again, after that"
	list_paths always loaded | sed 's/^/present: /'
	echo "nothing is left in the slabs"
	list_paths absent | sed 's/^/coming and going: /'
}

# Whether nothing is on its way any more: within a second, nothing has come or gone.
are_counted() {
	count_objects
	sleep 1
	objects | cmp -s - "$WORK/objects.before"
}

# Whatever has become of who took it away.
memory_is_back() {
	for attribute in failslab fail_page_alloc; do
		echo 0 >"/sys/kernel/debug/$attribute/probability"
	done
}

# UIDs that were there without the module, and now have keyrings but no life.
reap_leftovers() {
	awk '$5 == "before" { print $1 }' "$RECORDS" | sort -u >"$WORK/uids"
	while read -r uid; do
		echo "$uid" >"$REAP" || complain "UID $uid cannot be reaped"
	done <"$WORK/uids"
}

# The module is there at one stage, and else it comes and goes by what is tried.
is_as_at() {
	case $1 in
	present) [ -e "/sys/module/$MODULE" ] ;;
	*) missing "/sys/module/$MODULE" ;;
	esac
}

stride() {
	if is_watched && [ "$1" = loading ]; then
		echo 8
	else
		echo 1
	fi
}

# inject STAGE WAY PATH: a test.
inject() {
	begin_test
	expect_shortages
	transcript="$WORK/$1 $2 $3"
	is_as_at "$1" || complain "the module is there, or not, as it should not be"
	./faults "$2" "$3" "$(stride "$3")" >"$transcript" || complain "status $?"
	memory_is_back
	sed '/^\(answer\|failed\|like\) /d; s/^/#   /' "$transcript"
	faults=$(sed -n 's/^failed //p' "$transcript")
	: "${faults:=0}"
	like=$(sed -n 's/^like //p' "$transcript")
	answers=$(sed -n 's/^answer //p' "$transcript" | sort | tr '\n' ' ')
	# A path on which nothing fails shows nothing.
	[ "$faults" -gt 0 ] || complain "no allocation has failed"
	note "$1, $2: $3: $faults faults, answered by ${answers:-nothing}"
	# That tables cannot grow is noticed time and again, and would outnumber all else.
	[ "$1" = absent ] || [ "$3" = "growth of the tables" ] || total=$((total + faults))
	if [ "$1" != absent ] && [ "$like" ] && ! is_watched; then
		for answer in $answers; do
			[ "$answer" = success ] ||
				grep -qx "answer $answer" "$WORK/absent "*" $like" ||
				complain "the kernel's own code does not answer $answer"
		done
	fi
	end_test "$1: $2: $3"
}

inject_all() {
	stage=$1
	shift
	list_paths "$@" >"$WORK/paths"
	while IFS= read -r line <&3; do
		inject "$stage" "${line%%: *}" "${line#*: }"
	done 3<"$WORK/paths"
}

if [ "$1" = --list ]; then
	list
	exit
fi

RECORDS=/sys/kernel/debug/$MODULE/records
REAP=${RECORDS%/*}/reap
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM
echo "TAP version 13"
echo "1..$(list | wc -l)"
[ -d /sys/kernel/debug/failslab ] || {
	echo "Bail out! this kernel has no fault injection: use one with CONFIG_FAILSLAB"
	exit 1
}
cp request-key /sbin/request-key
total=0
drop_caches_silently
# All of the log is looked at here, as on the console the kernel's own reports would be taken amiss.
dmesg -n 4

is_watched || inject_all absent always

begin_test
also_expected="^<5>$MODULE: keyrings of UID [0-9]* ended on request\$"
load
reap_leftovers
unload
# Each time it is asked takes a second.
wait_for 1 are_counted || complain "what is in the slabs does not stay the same"
load
end_test "in, out, and in again, after that"

inject_all present always loaded

begin_test
unload
settle 1
none_has_grown 1 "$total faults"
end_test "nothing is left in the slabs"

# These leave pairs to the kernel's own code.
inject_all 'coming and going' absent
is_watched && where=" under KASAN"
note "measured: allocations that failed${where-}: $total"

exit $((failed > 0))
