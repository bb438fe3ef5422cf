# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# What the scripts have in common: TAP, waiting with a bound, the log, and the
# way of the module in and out.

MODULE=user_session_keyring
LIVEPATCH=/sys/kernel/livepatch/$MODULE
STATS=/sys/kernel/debug/$MODULE/stats

# What is waited for takes so many times as long at most in kernels that watch. C programs ask, too.
PATIENCE=$(cat patience 2>/dev/null || echo 1)
export PATIENCE

# Where detectors watch the kernel, much of what they have nothing to say of is left out.
is_watched() {
	holds watched yes
}

number=0
failed=0

note() {
	printf '# %s\n' "$*"
}

# result STATUS NAME: a line of TAP.
result() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		failed=$((failed + 1))
		echo "not ok $number - $2"
	fi
}

# A test says why it fails, and goes on to clean up after itself.
complain() {
	note "$*"
	wrong=1
}

no_complaints() {
	[ "$wrong" -eq 0 ]
}

# An outcome that was not met shows nothing.
met() {
	[ "$2" -gt 0 ] || complain "there were no $1"
}

same() {
	[ "$2" = "$3" ] || complain "$1: \"$2\" should be \"$3\""
}

# compare PER_MILLE OPERATOR THIS THAT: THIS to so much of THAT.
compare() {
	note "$3 against $4"
	if [ "${3:-0}" -le 0 ] || [ "${4:-0}" -le 0 ]; then
		complain "a figure is missing"
	elif ! test $(($3 * 1000)) "$2" $(($4 * $1)); then
		complain "not so: $3 $2 $1 per mille of $4"
	fi
}

at_most() {
	compare "$1" -le "$2" "$3"
}

at_least() {
	compare "$1" -ge "$2" "$3"
}

# refused_by TOOL TEXT COMMAND...: with one line that says so, and the status for that.
refused_by() {
	tool=$1 text=$2
	shift 2
	"$@" >"$WORK/said" 2>&1
	same "what $* returns" "$?" 2
	same "lines of $*" "$(wc -l <"$WORK/said")" 1
	grep -q "^$tool: .*$text" "$WORK/said" ||
		complain "$* says \"$(cat "$WORK/said")\", not \"$text\""
}

# wait_for SECONDS COMMAND...: poll it until it succeeds.
wait_for() {
	tries=$(($1 * 20 * PATIENCE))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

holds() {
	[ "$(cat "$1" 2>/dev/null)" = "$2" ]
}

missing() {
	[ ! -e "$1" ]
}

transition_is() {
	holds "$LIVEPATCH/transition" "$1"
}

counter() {
	sed -n "s/^$1 //p" "$STATS"
}

# Load the module, and wait until every task is answered by it.
load() {
	insmod "./$MODULE.ko" || {
		complain "insmod failed"
		return
	}
	wait_for 30 transition_is 0 || complain "the transition does not end"
}

# A livepatch that is not in use any more leaves sysfs.
disable() {
	echo 0 >"$LIVEPATCH/enabled"
	wait_for 30 missing "$LIVEPATCH" || complain "it cannot be disabled"
}

remove() {
	wait_for 10 rmmod "$MODULE" 2>/dev/null ||
		complain "rmmod failed: $(rmmod "$MODULE" 2>&1)"
}

unload() {
	disable
	remove
}

# Processes in the background are ended with the test.
background=
last=

in_background() {
	"$@" &
	last=$!
	background="$background $last"
}

stop_all() {
	for pid in $background; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	background=
}

# The log from here on; its lines come with their level, as <6>.
mark_log() {
	mark="$MODULE: selftest mark $((mark_number += 1))"
	echo "$mark" >/dev/kmsg
}

log_since_mark() {
	dmesg -r | sed "1,/$mark\$/d; s/\[[^]]*\] //"
}

# Without its mark, what is left of the log shows nothing.
log_is_whole() {
	dmesg | grep -q "$mark\$"
}

# Lines that a module's coming and going may leave: notices of the livepatch
# core, news of the module, and what every module from outside the tree is
# greeted with. A warning of the module's own is none of them. That a clock is
# read late or taken for a bad one, and a transition held up for long, is an
# emulated machine's.
EXPECTED_LOG="^<5>livepatch: enabling patch '[a-z_]*'\$
^<5>livepatch: '[a-z_]*': (starting|completing|reversing) (patching|unpatching) transition\$
^<5>livepatch: '[a-z_]*': (patching|unpatching) complete\$
^<5>livepatch: signaling remaining tasks\$
^<5>livepatch: '[a-z_]*': reversing transition from (un)?patching to (un)?patching\$
^<6>$MODULE: .*
^<4>[a-z_]*: loading out-of-tree module taints kernel\\.\$
^<[45]>[a-z_]*: tainting kernel with TAINT_LIVEPATCH\$
^<5>[a-z_]*: module verification failed: signature and/or required key missing
^<6>clocksource: Watchdog (remote CPU [0-9]*|[a-z]*) read timed out(\\. Readout .*)?\$
^<4>clocksource: Marking clocksource tsc unstable due to frequency skew\$
^<4>clocksource: (Watchdog|Clocksource) *(hpet|tsc) interval: *[0-9]*ns\$
^<6>tsc: Marking TSC unstable due to clocksource watchdog\$
^<4>TSC found unstable after boot, most likely due to broken BIOS\\. Use 'tsc=unstable'\\.\$
^<6>sched_clock: Marking unstable \\([0-9, <()-]*\\)\$
^<6>clocksource: Switched to clocksource hpet\$
^<[0-9]*>$MODULE: selftest mark [0-9]*\$"

# An empty pattern would match every line.
unexpected_log() {
	echo "$EXPECTED_LOG${also_expected:+
$also_expected}" >"$WORK/expected-log"
	log_since_mark | sed "$reports" | grep -vEf "$WORK/expected-log"
}

check_log() {
	log_is_whole || complain "the log has lost its beginning"
	unexpected_log >"$WORK/unexpected" || return 0
	complain "the log has what it should not have:"
	sed 's/^/#   /' "$WORK/unexpected"
}

# Every test that loads something ends with a look at the log. What it may have beside what is
# always expected is a line of "also_expected", or is deleted by the sed script "reports".
begin_test() {
	wrong=0
	also_expected=
	reports=
	may_stay=
	mark_log
}

# In this test memory runs out: what the kernel and the module may say then.
expect_shortages() {
	also_expected="^<4>$MODULE: no memory to (list all keyrings|put .* on record)\$
^<5>$MODULE: keyrings of UID [0-9]* ended on request\$
^<3>$MODULE: the kernel does not take this livepatch: Error\(12\)\$
^<[34]>livepatch: failed to (patch object|enable patch|set ftrace filter) .*
^<3>debugfs: out of free dentries, can not create (directory|file) '[a-z_]*'\$
^<3>kobject: can not set name properly!\$
^<3>kobject: kobject_add_internal failed for [a-z_,0-9]* \(error: -12 parent: [a-z_]*\)\$
^<4>SLUB: Unable to allocate memory on CPU [0-9]* .*
^<4>  (cache: .*, object size: |node [0-9]*: slabs: ).*
^<4>fprobe: Failed to allocate working array\. ftrace_ops may not sync\.\$
^<4>warn_alloc: [0-9]* callbacks suppressed\$"
	# These come with a stack. Meanwhile the other processor may have to say something else.
	reports='/: vmalloc error: \|: page allocation failure: /,/ pages reserved$/{'
	reports=$reports'/BUG\|WARNING:\|INFO:\|UBSAN:\|ODEBUG:/!d;}'
}

end_test() {
	check_log
	result "$wrong" "$1"
}

# list_tests KIND LIST
list_tests() {
	echo "$2" | sed "s/^[^:]*: /$1: /"
}

play_tests() {
	echo "$2" >"$WORK/tests"
	while IFS=: read -r function name; do
		begin_test
		"$function"
		stop_all
		[ ! -e "/sys/module/$MODULE" ] || [ "$may_stay" ] || complain "the module stayed"
		end_test "$1:$name"
	done <"$WORK/tests"
}

# run_tests KIND LIST [--list]: all that a script has to do.
run_tests() {
	if [ "$3" = --list ]; then
		list_tests "$1" "$2"
		exit
	fi
	WORK=$(mktemp -d)
	trap 'stop_all; rm -rf "$WORK"' EXIT
	trap 'exit 1' INT TERM
	# For processes of other UIDs.
	chmod 711 "$WORK"
	echo "TAP version 13"
	echo "1..$(echo "$2" | wc -l)"
	play_tests "$1" "$2"
	exit $((failed > 0))
}
