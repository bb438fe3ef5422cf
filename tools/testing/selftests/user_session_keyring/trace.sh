#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Where the instructions of a look-up go: run in the guest, as root, with the module absent.
# tools/trace.py, which reads the output, follows the processor, and answers on the second serial
# port.
#
# Usage: trace.sh [--list]
#
# A step takes a hundredth of a second, so what takes thousands is done only if the file "size" says
# "full".

cd "$(dirname "$0")" || exit
. ./functions.sh

PORT=/dev/ttyS1
# What may be added to free_uid(): what was measured and 2 %.
FREE_LIMIT=57

TRACE="session: @s
present: @us, with the module
short_list: it calls nothing but what is known to be short
one_lock: it locks nothing but the count of references that it takes
dropped: free_uid(), with the module
free_limit: to whom has no keyrings this costs at most $FREE_LIMIT instructions"
if holds size full; then
	TRACE="$TRACE
absent: @us and free_uid(), without it"
fi

# All that look_up_user_keyrings() may call, from the first instruction to the last.
KNOWN="__rcu_read_lock
__rcu_read_unlock
bpf_lsm_key_permission
ftrace_trampoline
key_task_permission
klp_ftrace_handler
patch::look_up_user_keyrings
rust_helper_counter_inc
rust_helper_get_current
rust_helper_rcu_read_lock
rust_helper_rcu_read_unlock
rust_helper_refcount_inc
rust_helper_table_lookup
security_key_permission"

# name_symbols < INSTRUCTIONS: "SYMBOL COUNT LOCKED", for each function, where COUNT is that of its
# instructions, and LOCKED that of those that lock. A name in Rust is written as in its source.
name_symbols() {
	awk '
		NR == FNR { at[++n] = $1; symbol[n] = $3; next }
		$1 == "end" { exit }
		{
			low = 1
			high = n
			while (low < high) {
				middle = int((low + high + 1) / 2)
				if (at[middle] "" <= $1 "")
					low = middle
				else
					high = middle - 1
			}
			name = at[low] "" <= $1 "" ? symbol[low] : "user"
			if (sub(/^_R.*user_session_keyring[0-9]+/, "", name))
				gsub(/[0-9]+/, "::", name)
			if (!(name in count))
				order[++names] = name
			count[name] += $2
			locked[name] += $2 * $3
		}
		END {
			for (i = 1; i <= names; i++)
				print order[i], count[order[i]], locked[order[i]]
		}
	' "$WORK/symbols" -
}

# The kernel's are in order. Modules, which are above it, have come and gone.
list_symbols() {
	[ -s "$WORK/kernel" ] || grep -i ' [tw] [^[]*$' /proc/kallsyms >"$WORK/kernel"
	grep -i ' [tw] .*\[' /proc/kallsyms | sort | cat "$WORK/kernel" - >"$WORK/symbols"
}

# trace NAME BEGIN END COMMAND...
trace() {
	traced=$1
	list_symbols
	echo "# trace $2 $3"
	# shellcheck disable=SC3045 # the guest's shell has it
	read -r -t 120 go <"$PORT" || complain "nobody follows"
	shift 3
	"$@" >/dev/null || complain "$*: status $?"
	[ "$go" != go ] || name_symbols <"$PORT" >"$WORK/$traced"
	sed "s/^/# trace: $traced /" "$WORK/$traced"
	met "instructions" "$(wc -l <"$WORK/$traced")"
}

# look_up NAME SPECIAL
look_up() {
	# shellcheck disable=SC2046 # two addresses
	trace "$1" $(./bench where) ./bench once "$2"
}

# free_uid NAME
free_uid() {
	trace "$1" "$(sed -n 's/ T free_uid$//p' /proc/kallsyms)" 0 ./bench cost file 1
}

session() {
	look_up "@s" @s
}

present() {
	load
	look_up "@us" @us
	unload
}

# What comes before and after it is in @s as well.
short_list() {
	cut -d ' ' -f 1 "$WORK/@s" >"$WORK/known"
	echo look_up_user_keyrings >>"$WORK/known"
	echo "$KNOWN" >>"$WORK/known"
	unknown=$(cut -d ' ' -f 1 "$WORK/@us" | grep -vxFf "$WORK/known")
	same "what it calls beside" "$unknown" ""
}

# lock_holders: functions of the module that lock, and how often.
lock_holders() {
	grep -E '^rust_helper|::' "$WORK/@us" | awk '$3 { print $1, $3 }'
}

one_lock() {
	same "locked instructions" "$(lock_holders)" "rust_helper_refcount_inc 1"
}

dropped() {
	load
	free_uid free_uid
	unload
}

# The function itself is two.
free_limit() {
	added=$(awk '!/^(free_uid|refcount_dec)/ { sum += $2 } END { print sum }' "$WORK/free_uid")
	note "$added instructions are added"
	[ "${added:-999}" -le "$FREE_LIMIT" ] || complain "more than $FREE_LIMIT"
}

absent() {
	look_up "in-tree-@us" @us
	free_uid in-tree-free_uid
}

if [ "$1" != --list ]; then
	[ -c "$PORT" ] || { echo "Bail out! nobody can answer: run this in the guest"; exit 1; }
	# What is answered is not to be said again.
	stty -F "$PORT" -echo
fi
run_tests trace "$TRACE" "$1"
