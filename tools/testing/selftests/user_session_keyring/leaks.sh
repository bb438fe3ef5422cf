#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Whether anything is allocated and then forgotten: the module comes, is used, has UIDs die and
# return, has allocations fail, and goes, and then kmemleak is asked. In the guest, as root, with
# the module absent, in a kernel with kmemleak on; the caches of the slab allocator must not be
# merged.
#
# Usage: leaks.sh [--list]

cd "$(dirname "$0")" || exit
. ./functions.sh

# What is forgotten once is found as well as what is forgotten often.
LOGINS=25 FLICKERS=100

list() {
	echo "leaks: in and out, with lives of UIDs and namespaces
leaks: when allocations fail
leaks: those that are made on purpose are found"
}

# It refuses when kmemleak is off, which "clear" does not.
scan() {
	echo scan >"$KMEMLEAK"
}

# What the last scan has found is not told again.
forget() {
	echo clear >"$KMEMLEAK" || complain "kmemleak does not forget"
}

# What was allocated in the last five seconds is not looked at, and what is seen only once may be on
# its way from one place to another.
look_for_leaks() {
	for _ in 1 2; do
		sleep 6
		scan || complain "kmemleak does not scan"
	done
	cat "$KMEMLEAK" >"$WORK/leaks"
}

no_leaks() {
	look_for_leaks
	[ ! -s "$WORK/leaks" ] || complain "$(grep -c '^unreferenced object' "$WORK/leaks") objects"
	sed 's/^/#   /' "$WORK/leaks" | head -n 100
}

if [ "$1" = --list ]; then
	list
	exit
fi

KMEMLEAK=/sys/kernel/debug/kmemleak
FAILSLAB=/sys/kernel/debug/failslab
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM
echo "TAP version 13"
echo "1..$(list | wc -l)"
scan || {
	echo "Bail out! there is no kmemleak, or it is off: use a kernel with it, and kmemleak=on"
	exit 1
}
cp request-key /sbin/request-key
list >"$WORK/list"
exec 3<"$WORK/list"

end_leaks() {
	read -r line <&3
	end_test "$line"
}

begin_test
forget
load
./storms logins "$LOGINS" 20 6000 >/dev/null || complain "logins: status $?"
# Whether they come back just in time, the storms look at.
./flicker "$FLICKERS" 3 7000 stay >/dev/null || complain "flicker: status $?"
./storms namespaces "$LOGINS" 8000 >/dev/null || complain "namespaces: status $?"
unload
no_leaks
end_leaks

# For each object kmemleak allocates one of its own, and does without if it gets none: else these
# would be half of the allocations that fail.
spare_kmemleak() {
	for cache in /sys/kernel/slab/*; do
		case $cache in
		*/kmemleak_*) ;;
		*) echo 1 >"$cache/failslab" || complain "${cache##*/} cannot fail" ;;
		esac
	done
	echo 1 >"$FAILSLAB/cache-filter" || complain "it is not kmemleak alone that is spared"
}

# A round takes a second or two, and of loading there are hundreds. All of them are in faults.sh.
stride() {
	if [ "$1" = loading ]; then
		echo 40
	else
		echo 5
	fi
}

# inject WHEN...: what is answered, faults.sh looks at.
inject() {
	for when; do
		./faults --list "$when" | sed -n 's/^alone: //p' >"$WORK/paths"
		while IFS= read -r path <&4; do
			./faults alone "$path" "$(stride "$path")" >"$WORK/faults" ||
				complain "$path: status $?"
			failures=$(sed -n 's/^failed //p' "$WORK/faults")
			[ "${failures:-0}" -gt 0 ] || complain "$path: no allocation has failed"
			faults=$((faults + ${failures:-0}))
		done 4<"$WORK/paths"
	done
}

begin_test
expect_shortages
dmesg -n 4
forget
spare_kmemleak
faults=0
load
inject always loaded
unload
inject absent
note "measured: allocations that failed under kmemleak: $faults"
[ "$faults" -gt 0 ] || complain "no allocation has failed"
no_leaks
end_leaks

# In the tests before this, nothing is found by whoever finds nothing at all.
begin_test
also_expected="^<6>kmemleak: [0-9]* new suspected memory leaks .*"
forget
insmod ./test_detectors.ko fault=leak || complain "nothing was leaked"
rmmod test_detectors || complain "test_detectors cannot be removed"
look_for_leaks
found=$(grep -c '^unreferenced object .* (size 64)' "$WORK/leaks")
note "$found objects were found"
[ "$found" -gt 0 ] || complain "they should have been"
end_leaks

exit $((failed > 0))
