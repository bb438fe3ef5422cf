#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Whether anything is allocated and then forgotten: the module comes, is used, has UIDs die and
# return, has allocations fail, and goes, and then kmemleak is asked. In the guest, as root, with
# the module absent, in a kernel with kmemleak on.
#
# Usage: leaks.sh [--list]

cd "$(dirname "$0")" || exit
. ./functions.sh

CYCLES=2 LOGINS=50

list() {
	echo "leaks: in and out, with lives of UIDs and namespaces
leaks: when allocations fail"
}

# The scan is told what is there now; what it finds for the first time is forgotten at once.
forget() {
	echo scan >"$KMEMLEAK"
	echo clear >"$KMEMLEAK"
}

# What was allocated in the last five seconds is not looked at, and what is seen only once may be on
# its way from one place to another.
leaks() {
	for _ in 1 2; do
		sleep 6
		echo scan >"$KMEMLEAK"
	done
	cat "$KMEMLEAK"
}

no_leaks() {
	leaks >"$WORK/leaks"
	[ ! -s "$WORK/leaks" ] || complain "$(grep -c '^unreferenced object' "$WORK/leaks") objects"
	sed 's/^/#   /' "$WORK/leaks" | head -n 100
}

if [ "$1" = --list ]; then
	list
	exit
fi

KMEMLEAK=/sys/kernel/debug/kmemleak
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM
echo "TAP version 13"
echo "1..$(list | wc -l)"
echo clear >"$KMEMLEAK" || {
	echo "Bail out! there is no kmemleak: use a kernel with it, and kmemleak=on"
	exit 1
}
cp request-key /sbin/request-key
list >"$WORK/list"
exec 3<"$WORK/list"

end_leaks() {
	no_leaks
	read -r line <&3
	end_test "$line"
}

begin_test
forget
cycle=0
while [ "$cycle" -lt "$CYCLES" ]; do
	cycle=$((cycle + 1))
	load
	./storms logins "$LOGINS" 20 6000 >/dev/null || complain "logins: status $?"
	# Whether they come back just in time, the storms look at.
	./flicker 200 3 7000 stay >/dev/null || complain "flicker: status $?"
	./storms namespaces "$LOGINS" 8000 >/dev/null || complain "namespaces: status $?"
	unload
done
end_leaks

# inject WHEN...: what is answered, faults.sh looks at.
inject() {
	for when; do
		./faults --list "$when" | sed -n 's/^alone: //p' >"$WORK/paths"
		while IFS= read -r path <&4; do
			./faults alone "$path" >"$WORK/faults" || complain "$path: status $?"
			faults=$((faults + $(sed -n 's/^failed //p' "$WORK/faults")))
		done 4<"$WORK/paths"
	done
}

begin_test
expect_shortages
dmesg -n 4
forget
faults=0
load
inject always loaded
unload
inject absent
note "measured: allocations that failed under kmemleak: $faults"
[ "$faults" -gt 0 ] || complain "no allocation has failed"
end_leaks

exit $((failed > 0))
