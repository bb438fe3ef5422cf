#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The module comes and goes, and UIDs live and die, while the ground shakes: processors go, memory
# runs out, transitions are held up, reversed and forced, other livepatches come on top, and
# everything is traced. In the guest, as root, with the module absent.
#
# Usage: upheavals.sh [--list]
#
# The file "size" says how often: "full", or "short" if it is missing.

cd "$(dirname "$0")" || exit
. ./functions.sh
. ./lifecycle.sh
. ./load.sh
. ./slabs.sh

if holds size full; then
	TIMES=8
else
	TIMES=2
fi

# The first one has to come first, as it says below. The last one leaves the module in the kernel,
# for good.
UPHEAVALS="traced: traced by functions, function graphs and kprobes
hotplug: a processor goes and comes back
reclaim: memory is short
out_of_memory: processes are killed because there is no memory
stopped: disabled while stopped processes are in the module's functions
reversals: transitions are reversed midway
on_top: another livepatch for the same functions, on top
in_its_place: another livepatch for the same functions, in its place
not_traced: its functions in Rust cannot be traced
tracing_stays_on: function tracing cannot be switched off
forced_on: enabling is forced while a process is in the kernel's own code
forced_off: disabling is forced while a process is in the module's functions"

# What others have at hand.
# shellcheck disable=SC2154

# For this file alone; many from each on.
VICTIMS=40000
STOPPED=41000
RESIDENT=42000
PASSING=43000
SURVIVING=43001

CPU1=/sys/devices/system/cpu/cpu1/online
TRACING=/sys/kernel/tracing
CGROUP=/sys/fs/cgroup

# N times, or until something is wrong.
repeat() {
	cycle=0
	while [ "$cycle" -lt "$TIMES" ] && no_complaints; do
		cycle=$((cycle + 1))
		"$@"
	done
	note "figure: rounds,$name: $cycle"
}

in_and_out() {
	load
	unload
}

# while_shaking FUNCTION: again and again, while the module comes and goes under load.
while_shaking() {
	rm -f "$WORK/still"
	shake "$1" &
	shaker=$!
	under_load repeat in_and_out
	: >"$WORK/still"
	wait "$shaker" || complain "$1: status $?"
	shaken=$(cat "$WORK/shaken")
	met "rounds of $1" "${shaken:-0}"
	note "$shaken rounds of $1"
}

shake() {
	shaken=0
	: >"$WORK/shaken"
	until [ -e "$WORK/still" ]; do
		"$1" || return
		shaken=$((shaken + 1))
		echo "$shaken" >"$WORK/shaken"
	done
}

unplug_and_plug() {
	echo 0 >"$CPU1" && sleep 0.3 && echo 1 >"$CPU1" && sleep 0.3
}

hotplug() {
	also_expected="^<6>smpboot: CPU 1 is now offline\$
^<6>smpboot: Booting Node 0 Processor 1 APIC 0x1\$"
	while_shaking unplug_and_plug
	echo 1 >"$CPU1" 2>/dev/null
}

vmstat() {
	sed -n "s/^$1 //p" /proc/vmstat
}

# Pages that are free, and objects that may be reclaimed, are used up and given back.
fill_and_drop() {
	find /proc/sys /sys/module >/dev/null
	dd if=/dev/zero of="$WORK/filler" bs=1M count=16 2>/dev/null
	rm "$WORK/filler"
	echo 3 >/proc/sys/vm/drop_caches
}

# What is kept free by the kernel is nobody's: it reclaims from then on.
reclaim() {
	kept=$(cat /proc/sys/vm/min_free_kbytes)
	available=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
	scanned=$(vmstat slabs_scanned)
	echo $((available * 3 / 4)) >/proc/sys/vm/min_free_kbytes
	while_shaking fill_and_drop
	echo "$kept" >/proc/sys/vm/min_free_kbytes
	scanned=$(($(vmstat slabs_scanned) - scanned))
	met "objects that were looked at by shrinkers" "$scanned"
	note "$scanned objects were looked at by shrinkers"
}

# What the kernel tells when it kills for memory, from its first line to its last.
OOM_BEGIN="tail invoked oom-killer: "
OOM_END="Memory cgroup out of memory: Killed process [0-9]* (tail) "

# A process that has as much as it can, and keys.
victim() {
	echo 0 >"$CGROUP/victims/cgroup.procs" || exit
	# shellcheck disable=SC2016
	exec ./as "$1" sh -c 'keyctl add user secret mine @us && keyctl add user secret mine @u &&
		exec tail /dev/zero' >/dev/null
}

is_charged_nothing() {
	! grep -q "^ *$1:" /proc/key-users
}

kill_one() {
	victim "$((VICTIMS + cycle))" &
	pid=$!
	wait "$pid" 2>/dev/null
	same "the status of who wanted too much" $? 137
	wait_for 10 is_charged_nothing "$((VICTIMS + cycle))" ||
		complain "the keys of who was killed are there"
}

kill_while_loaded() {
	load
	repeat kill_one
	unload
}

# The report has a call trace, which is none of the kernel's complaints: it is looked at here
# instead of on the console.
out_of_memory() {
	level=$(cut -f 1 /proc/sys/kernel/printk)
	echo 4 >/proc/sys/kernel/printk
	mount -t cgroup2 none "$CGROUP" || complain "there are no control groups"
	echo +memory >"$CGROUP/cgroup.subtree_control"
	mkdir "$CGROUP/victims"
	echo 16M >"$CGROUP/victims/memory.max"
	under_load kill_while_loaded
	killed=$(sed -n 's/^oom_kill //p' "$CGROUP/victims/memory.events")
	same "processes that were killed" "$killed" "$TIMES"
	rmdir "$CGROUP/victims"
	umount "$CGROUP"
	echo "$level" >/proc/sys/kernel/printk
	same "reports" "$(log_since_mark | grep -c "$OOM_END")" "$TIMES"
	reports="/$OOM_BEGIN/,/$OOM_END/{ /BUG:/b; /WARNING:/b; d }"
	also_expected="^<6>oom_reaper: reaped process [0-9]* (tail), "
}

is_state() {
	grep -q "^State:	$2" "/proc/$1/status"
}

# Four are asleep in the module's function, two of which are told to stop; with all of them there,
# it is disabled.
stop_inside() {
	load
	insmod ./test_hold_keyring_sem.ko || complain "nothing to hold them up"
	askers=
	for nth in 1 2 3 4; do
		uid=$((STOPPED + cycle * 4 + nth))
		login "$uid"
		: >"$WORK/answer.$nth"
		in_background user_session_into "$WORK/answer.$nth" "$uid"
		asker=$last
		askers="$askers $asker"
		wait_for 10 is_held_up "\[$MODULE\]" || complain "it is not held up"
		[ $((nth % 2)) = 0 ] || kill -STOP "$asker"
	done
	echo 0 >"$LIVEPATCH/enabled"
	if wait_for 1 missing "$LIVEPATCH"; then
		complain "the transition ended under processes in the module"
	fi
	refused "Resource temporarily unavailable" rmmod "$MODULE"
	rmmod test_hold_keyring_sem || complain "they cannot be let go"
	wait_for 30 missing "$LIVEPATCH" || complain "it cannot be disabled"
	nth=0
	for asker in $askers; do
		nth=$((nth + 1))
		if [ $((nth % 2)) = 1 ]; then
			wait_for 10 is_state "$asker" T || complain "it does not stop"
			kill -CONT "$asker"
		fi
		wait "$asker" || complain "it was not answered"
		same "the pair made by the module" "$(cat "$WORK/answer.$nth")" \
			"$(user_session $((STOPPED + cycle * 4 + nth)))"
	done
	remove
	stop_all
}

stopped() {
	repeat stop_inside
}

# If the transition is not over already.
toggle() {
	if transition_is 1; then
		echo $((1 - $(cat "$LIVEPATCH/enabled"))) >"$LIVEPATCH/enabled" &&
			reversed=$((reversed + 1))
	elif [ -e "$LIVEPATCH" ]; then
		echo 0 >"$LIVEPATCH/enabled"
	fi
} 2>/dev/null

in_out_and_back() {
	insmod "./$MODULE.ko" || complain "insmod failed"
	for _ in 1 2 3 4 5 6 7 8; do
		toggle
	done
	# It may be enabled or disabled in the end.
	wait_for 30 is_settled || complain "the transition does not end"
	missing "$LIVEPATCH" || disable
	remove
}

# Some transitions are over at once: until one was not.
reverse() {
	goal=$((reversed + 1))
	chances=10
	while [ "$reversed" -lt "$goal" ] && no_complaints; do
		in_out_and_back
		chances=$((chances - 1))
		[ "$chances" -gt 0 ] || complain "no transition could be reversed"
	done
}

is_settled() {
	missing "$LIVEPATCH" || transition_is 0
}

reversals() {
	reversed=0
	under_load repeat reverse
	note "$reversed transitions were reversed"
}

OTHER=/sys/kernel/livepatch/test_klp_own

load_other() {
	insmod ./test_klp_own.ko "$@" || complain "no other livepatch"
	wait_for 30 holds "$OTHER/transition" 0 || complain "the other's transition does not end"
}

unload_other() {
	answers=$(cat /sys/module/test_klp_own/parameters/answers)
	met "answers by the other" "$answers"
	echo 0 >"$OTHER/enabled"
	wait_for 30 missing "$OTHER" || complain "the other cannot be disabled"
	wait_for 10 rmmod test_klp_own 2>/dev/null || complain "the other cannot be removed"
}

# Somebody goes whose @us somebody else has.
leave_survivor() {
	shelf=$(keyctl newring shelf @u)
	keyctl setperm "$shelf" 0x3f3f3f3f
	survivor=$(./as "$SURVIVING" sh -c "keyctl link @us $shelf && keyctl id @us")
	wait_for 10 has_died || complain "who has gone has not died"
}

has_died() {
	[ "$(counter survivors)" -gt 0 ]
}

survives() {
	same "@us of who has come back, $1" "$(user_session "$SURVIVING")" "$survivor"
}

# On top it stays for a while, in which UIDs die, and nothing may end: what would end has ended by
# then. Afterwards the module is in charge again. The kernel lets the lower one go first as well.
stack() {
	load
	leave_survivor
	login "$PASSING"
	passing=$last
	./as "$PASSING" keyctl add user secret "stays" @us >/dev/null
	load_other
	kill "$passing"
	wait "$passing" 2>/dev/null
	sleep 0.5
	same "the key of who is gone" "$(print_key "$PASSING" secret)" stays
	# Nobody says that another livepatch has come. It is seen within four seconds.
	sleep 5
	survives "under the other"
	if [ $((cycle % 2)) = 0 ]; then
		unload
		unload_other
		return
	fi
	unload_other
	survives "after the other"
	hits=$(counter hits)
	user_session "$RESIDENT" >/dev/null
	user_session "$RESIDENT" >/dev/null
	[ "$(counter hits)" -gt "$hits" ] || complain "the module does not answer any more"
	unload
}

on_top() {
	login "$RESIDENT"
	under_load repeat stack
}

take_its_place() {
	load
	load_other replace=1
	wait_for 30 missing "$LIVEPATCH" || complain "it is there, though replaced"
	sleep 0.2
	# Removed while the other is enabled, or afterwards.
	[ $((cycle % 2)) = 0 ] || remove
	unload_other
	[ $((cycle % 2)) = 1 ] || remove
}

in_its_place() {
	under_load repeat take_its_place
}

OLD_FUNCTIONS="look_up_user_keyrings get_user_session_keyring_rcu free_uid key_free_user_ns"

# Of the module's own: those in C, since not_traced.
NEW_FUNCTIONS="$MODULE:rust_helper_table_insert $MODULE:rust_helper_table_remove"

need_tracing() {
	[ -e "$TRACING/trace" ] || mount -t tracefs none "$TRACING"
	# To count what is traced takes its time.
	echo 64 >"$TRACING/buffer_size_kb"
}

trace_with() {
	echo "$1" >"$TRACING/current_tracer" || complain "there is no tracer $1"
}

# Probes at the entry and the exit of each.
add_kprobes() {
	nth=0
	for function; do
		nth=$((nth + 1))
		echo "p:usk/p$nth $function" >>"$TRACING/kprobe_events" ||
			complain "the entry of $function cannot be probed"
		echo "r:usk/r$nth $function" >>"$TRACING/kprobe_events" ||
			complain "the exit of $function cannot be probed"
	done
	echo 1 >"$TRACING/events/usk/enable"
}

# Probes of a module that is gone remain, and do nothing.
remove_kprobes() {
	echo 0 >"$TRACING/events/usk/enable"
	hit=$((hit + $(awk '{ sum += $2 } END { print sum + 0 }' "$TRACING/kprobe_profile")))
	echo >"$TRACING/kprobe_events"
}

# Who reads while it is written may not come to an end.
count_lines() {
	echo 0 >"$TRACING/tracing_on"
	cat "$TRACING/trace" >"$WORK/trace"
	echo >"$TRACING/trace"
	echo 1 >"$TRACING/tracing_on"
	old=$((old + $(grep -c -E "user_keyrings|session_keyring_rcu|free_u" "$WORK/trace")))
	new=$((new + $(grep -c rust_helper "$WORK/trace")))
}

# It comes and goes under tracers, which come and go while it is there.
trace_all() {
	# shellcheck disable=SC2086 # one word each
	add_kprobes $OLD_FUNCTIONS
	echo "$OLD_FUNCTIONS" >"$TRACING/set_ftrace_filter"
	trace_with function
	load
	echo "rust_helper_*:mod:$MODULE" >>"$TRACING/set_ftrace_filter"
	sleep 0.3
	count_lines
	trace_with function_graph
	remove_kprobes
	# shellcheck disable=SC2086 # one word each
	add_kprobes $NEW_FUNCTIONS
	sleep 0.3
	count_lines
	# In half of the rounds they have to bear that the module goes.
	[ $((cycle % 2)) = 1 ] || unload
	trace_with nop
	remove_kprobes
	echo >"$TRACING/set_ftrace_filter"
	[ $((cycle % 2)) = 0 ] || unload
}

traced() {
	need_tracing
	old=0
	new=0
	hit=0
	under_load repeat trace_all
	met "lines of the kernel's functions" "$old"
	met "lines of the module's functions" "$new"
	met "hits of kprobes" "$hit"
	note "traced were $old calls of the kernel's functions, $new of the module's;" \
		"kprobes were hit $hit times"
}

probe() {
	echo "p:usk/p $1" >>"$TRACING/kprobe_events"
}

# Rust puts no call for function tracing at the entry of a function, and what that cannot trace
# kprobe events refuse. So no probe can come between the livepatch and what it calls.
not_traced() {
	need_tracing
	load
	function=$(awk -v module="[$MODULE]" \
		'$4 == module && $3 ~ /^_R.*look_up_user_keyrings$/ { print $3 }' /proc/kallsyms)
	met "functions of that name" "${#function}"
	refused "Invalid argument" probe "$MODULE:$function"
	! grep -q "^$function" "$TRACING/available_filter_functions" ||
		complain "function tracing takes it"
	unload
	also_expected="^<4>trace_kprobe: Could not probe notrace function $function \[$MODULE\]\$"
}

# Or else nothing would be noticed any more. The file is for show.
switch_tracing_off() {
	echo 0 >/proc/sys/kernel/ftrace_enabled
}

tracing_stays_on() {
	load
	login "$RESIDENT"
	process=$last
	user_session "$RESIDENT" >/dev/null
	refused "Operation not supported" switch_tracing_off
	same "ftrace_enabled" "$(cat /proc/sys/kernel/ftrace_enabled)" 1
	kill "$process"
	wait "$process" 2>/dev/null
	wait_for 10 is_charged_nothing "$RESIDENT" || complain "the end is not noticed any more"
	unload
	also_expected="^<4>The ftrace_enabled file is deprecated and no longer disables ftrace\$"
}

FORCED="^<4>livepatch: forcing remaining tasks to the patched state\$"

force() {
	same "the transition" "$(cat "$LIVEPATCH/transition")" 1
	echo 1 >"$LIVEPATCH/force" || complain "the kernel does not allow it"
	also_expected=$FORCED
}

# The process goes on in the kernel's own code, with the module in charge.
forced_on() {
	login "$RESIDENT" "$STOPPED"
	./as "$RESIDENT" keyctl add user kept "kept" @us >/dev/null
	before=$(pair "$RESIDENT")
	ask_held_up "$STOPPED" look_up_user_keyrings
	insmod "./$MODULE.ko" || complain "insmod failed"
	force
	# When it is over, the module looks into the register, for which it has to wait as well.
	let_go
	wait_for 30 transition_is 0 || complain "the transition does not end"
	same "the pair made by the kernel's own code" "$(user_session "$STOPPED")" \
		"$(cat "$WORK/answer")"
	same "the pair" "$(pair "$RESIDENT")" "$before"
	same "the key" "$(print_key "$RESIDENT" kept)" kept
	unload
	same "the pair, removed" "$(pair "$RESIDENT")" "$before"
	same "the key, removed" "$(print_key "$RESIDENT" kept)" kept
}

# The process goes on in the module, which the kernel therefore never lets go.
forced_off() {
	VICTIM=$((STOPPED + 1))
	login "$RESIDENT" "$VICTIM"
	load
	./as "$RESIDENT" keyctl add user kept "kept" @us >/dev/null
	before=$(pair "$RESIDENT")
	ask_held_up "$VICTIM" "\[$MODULE\]"
	echo 0 >"$LIVEPATCH/enabled"
	force
	wait_for 30 missing "$LIVEPATCH" || complain "the transition does not end"
	let_go
	same "the pair made by the module" "$(user_session "$VICTIM")" "$(cat "$WORK/answer")"
	same "the pair" "$(pair "$RESIDENT")" "$before"
	same "the key" "$(print_key "$RESIDENT" kept)" kept
	kept=$(./as "$RESIDENT" keyctl id @us)
	stop_all
	# A death that the module would have noticed, and ended, if it were in charge.
	./as "$((VICTIM + 1))" keyctl add user secret "hers" @us >/dev/null
	sleep 10
	login "$RESIDENT"
	same "the pair, when nobody is in charge" "$(user_session "$RESIDENT")" "$kept"
	same "the key, when nobody is in charge" "$(print_key "$RESIDENT" kept)" kept
	same "a key of who was gone" "$(print_key "$((VICTIM + 1))" secret)" hers
	for _ in 1 2 3; do
		refused "Resource temporarily unavailable" rmmod "$MODULE"
		refused "File exists" insmod "./$MODULE.ko"
	done
	may_stay=1
}

[ "$1" = --list ] || drop_caches_silently
run_tests upheaval "$UPHEAVALS" "$1"
