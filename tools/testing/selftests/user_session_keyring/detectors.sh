#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Makes one mistake after the other, with test_modules/test_detectors.c, between marks in the log:
# run in the guest, as root. Whether each was noticed is judged from outside, by the very rule by
# which any guest is: see tools/kinds/detectors.sh. Of leaks the console is not told: leaks.sh
# makes its own.
#
# Usage: detectors.sh [--list | --words]	the names; or with the words that each is noticed by

cd "$(dirname "$0")" || exit

KASAN="use_after_free: BUG: KASAN: slab-use-after-free in .*\[test_detectors\]
use_after_free_in_rust: BUG: KASAN: slab-use-after-free in .*test_use_after_free
double_free: BUG: KASAN: double-free in .*\[test_detectors\]
out_of_bounds: BUG: KASAN: slab-out-of-bounds in .*\[test_detectors\]
vmalloc_out_of_bounds: BUG: KASAN: vmalloc-out-of-bounds in .*\[test_detectors\]
stack_out_of_bounds: BUG: KASAN: stack-out-of-bounds in .*\[test_detectors\]"

# Lockdep's come last: it is not always quite the same after a report.
ALL="shift: UBSAN: shift-out-of-bounds in
array_index: UBSAN: array-index-out-of-bounds in
refcount: refcount_t: decrement hit 0; leaking memory
active_object: ODEBUG: free active
might_sleep_in_atomic: BUG: sleeping function called from invalid context
sleep_in_atomic: BUG: scheduling while atomic
rcu_outside: WARNING: suspicious RCU usage
rcu_list_outside: WARNING: suspicious RCU usage
lock_order: WARNING: possible circular locking dependency
lock_in_interrupt: WARNING: inconsistent lock state
lock_nesting: BUG: Invalid wait context
lock_without_key: INFO: trying to register non-static key"

# This one kills who makes it.
LAST="list_corruption: list_add corruption"

KCSAN="race_of_two: BUG: KCSAN: data-race in race_for_keyring"

RT="spinlock_in_atomic: BUG: sleeping function called from invalid context"

words() {
	case $(cat kernel) in
	kasan) echo "$KASAN" ;;
	kcsan) echo "$KCSAN" ;;
	rt) echo "$RT" ;;
	esac
	echo "$ALL"
	echo "$LAST"
}

case $1 in
--words)
	words
	exit
	;;
--list)
	words | cut -d : -f 1
	exit
	;;
esac

mark() {
	echo "detectors: $*" >/dev/kmsg
}

echo 0 >/proc/sys/kernel/panic_on_oops
words | while IFS=: read -r fault _; do
	# Whoever sleeps where nobody may is told of once a second.
	case $fault in
	might_sleep_in_atomic | spinlock_in_atomic) sleep 2 ;;
	esac
	mark "$fault begins"
	case $fault in
	use_after_free_in_rust)
		insmod ./test_use_after_free.ko && rmmod test_use_after_free
		;;
	*)
		insmod ./test_detectors.ko fault="$fault" && rmmod test_detectors
		;;
	esac
	mark "$fault ends"
done
