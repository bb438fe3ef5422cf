#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Allocations fail, each in its turn, with the module absent, present, coming and going: faults.c
# has it done on one path, and this looks at what is left. In the guest, as root, with the module
# absent, in a kernel that has fault injection.
#
# Usage: faults.sh [--list]

cd "$(dirname "$0")" || exit
. ./functions.sh

list_paths() {
	for when; do
		./faults --list "$when"
	done
}

list() {
	list_paths always | sed 's/^/absent: /'
	list_paths always loaded | sed 's/^/present: /'
	echo "nothing is left in the slabs"
	list_paths absent | sed 's/^/coming and going: /'
}

# These grow by nothing else that goes on here.
objects() {
	for cache in key_jar uid_cache user_namespace; do
		echo 1 >"/sys/kernel/slab/$cache/shrink"
		echo "$cache $(cut -d ' ' -f 1 "/sys/kernel/slab/$cache/objects")"
	done
}

# Whether nothing is on its way any more.
count_objects() {
	objects >"$WORK/earlier"
	sleep 1
	objects >"$WORK/before"
	cmp -s "$WORK/earlier" "$WORK/before"
}

has_grown() {
	objects >"$WORK/after"
	paste "$WORK/before" "$WORK/after" | awk '$4 > $2 { grown = 1 } END { exit !grown }'
}

# Keys are freed by a work item, and memory after grace periods.
settle() {
	tries=10
	while has_grown && [ "$((tries -= 1))" -gt 0 ]; do
		sleep 1
	done
}

# Whatever has become of who took it away.
memory_is_back() {
	for attribute in failslab fail_page_alloc; do
		echo 0 >"/sys/kernel/debug/$attribute/probability"
	done
}

# UIDs that were there without the module, and now have keyrings but no life.
reap_leftovers() {
	awk '$5 == "before" { print $1 }' "$RECORDS" | sort -u | while read -r uid; do
		echo "$uid" >"$REAP" || complain "UID $uid cannot be reaped"
	done
}

# inject STAGE WAY PATH: a test.
inject() {
	begin_test
	expect_shortages
	transcript="$WORK/$1 $2 $3"
	./faults "$2" "$3" >"$transcript" || complain "status $?"
	memory_is_back
	sed '/^\(answer\|failed\) /d; s/^/#   /' "$transcript"
	faults=$(sed -n 's/^failed //p' "$transcript")
	answers=$(sed -n 's/^answer //p' "$transcript" | sort | tr '\n' ' ')
	# A path on which nothing fails shows nothing.
	[ "${faults:-0}" -gt 0 ] || complain "no allocation has failed"
	note "$1, $2: $3: ${faults:-0} faults, answered by ${answers:-nothing}"
	# That tables cannot grow is noticed time and again, and would outnumber all else.
	[ "$1" = absent ] || [ "$3" = "growth of the tables" ] || total=$((total + faults))
	if [ "$1" = present ] && [ -e "$WORK/absent $2 $3" ]; then
		for answer in $answers; do
			[ "$answer" = success ] ||
				grep -qx "answer $answer" "$WORK/absent "*" $3" ||
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
# All of the log is looked at here, as on the console the kernel's own reports would be taken amiss.
dmesg -n 4

inject_all absent always
load
reap_leftovers
unload
wait_for 10 count_objects
load
inject_all present always loaded
unload

begin_test
settle
! has_grown ||
	complain "before: $(tr '\n' ' ' <"$WORK/before") after: $(tr '\n' ' ' <"$WORK/after")"
end_test "nothing is left in the slabs"

# These leave pairs to the kernel's own code.
inject_all 'coming and going' absent
note "measured: allocations that failed: $total"

exit $((failed > 0))
