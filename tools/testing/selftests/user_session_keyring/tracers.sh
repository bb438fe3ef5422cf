#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What becomes of keyrings, and what pins a UID, as it is seen with the tools that people have for
# it: in the guest, as root, with the module absent, and with the tools in the folder "tracers".
#
# Usage: tracers.sh [--list]

cd "$(dirname "$0")" || exit
. ./functions.sh
. ./lifecycle.sh
. ./life.sh
. ./missed.sh
. ./seeing.sh

TRACERS="trace_cmd: trace-cmd records a life
perf_script: perf records a life
bpftrace_script: bpftrace tells a life
unnoticed: usk-status says that it is not known yet since when a UID is gone
json: what usk-status and usk-pins say as JSON is JSON
pins: usk-pins explains processes, pipes and epoll, and counts the rest, which bpftrace finds
pins_left: usk-pins tells of pipes that are left, and with bpftrace of files
pins_refusals: usk-pins says in one line what it cannot do
documented: what the documentation says to type shows a life"

# What lifecycle.sh, life.sh and seeing.sh have at hand, and functions.sh asks for.
# shellcheck disable=SC2034,SC2154

# For this file alone.
MARA=5501
NORA=5502
OTTO=5503
PIET=5504
RITA=5505
SVEN=5506
TARA=5507
RUTH=5508

# tracer COMMAND...: its libraries are for itself alone.
tracer() {
	tracer=$1
	shift
	LD_LIBRARY_PATH=$PWD/tracers/lib "./tracers/bin/$tracer" "$@"
}

usk_pins() {
	PATH=$PWD/tracers/bin:$PATH tracer python3 ./usk-pins "$@"
}

# A life, and some time for its end.
LIFE_OF="./as UID keyctl id @us >/tmp/us; sleep 3"

life_of() {
	echo "$LIFE_OF" | sed "s/UID/$1/"
}

# expect_life UID FILE: it was created, and destroyed, with the same serials.
expect_life() {
	created=$(sed -n "s/^.*create: *\(uid=$1 .*[0-9]\).*$/\1/p" "$2")
	same "what was created" "${created##*session=}" "$(cat /tmp/us)"
	same "what was destroyed" "$(sed -n "s/^.*destroy: *\(uid=$1 .*death\).*$/\1/p" "$2")" \
		"$created cause=death"
	no_complaints || sed 's/^/#   /' "$2"
}

mount_tracing() {
	[ -e "$TRACING/trace" ] || mount -t tracefs none "$TRACING"
}

trace_cmd() {
	load
	mount_tracing
	tracer trace-cmd record -q -e "$MODULE" -o "$WORK/trace.dat" \
		sh -c "$(life_of "$MARA")" >"$WORK/log" 2>&1 || {
		complain "trace-cmd record failed"
		sed 's/^/#   /' "$WORK/log"
	}
	tracer trace-cmd report -i "$WORK/trace.dat" >"$WORK/report" 2>/dev/null ||
		complain "trace-cmd report failed"
	expect_life "$MARA" "$WORK/report"
	unload
}

perf_script() {
	load
	mount_tracing
	tracer perf record -q -a -e "$MODULE:*" -o "$WORK/perf.data" \
		sh -c "$(life_of "$NORA")" >"$WORK/log" 2>&1 || {
		complain "perf record failed"
		sed 's/^/#   /' "$WORK/log"
	}
	tracer perf script -i "$WORK/perf.data" >"$WORK/report" 2>/dev/null ||
		complain "perf script failed"
	expect_life "$NORA" "$WORK/report"
	unload
}

# It looks where the files of tracing were of old.
expect_automount() {
	also_expected="^<4>NOTICE: Automounting of tracing to debugfs is deprecated"
}

bpftrace_script() {
	expect_automount
	load
	mount_tracing
	cat >"$WORK/script" <<-END
		tracepoint:$MODULE:create {
			printf("create: uid=%u ns=%llu user=%d session=%d\\n",
				args.uid, args.ns, args.user, args.session);
		}
		tracepoint:$MODULE:destroy {
			printf("destroy: uid=%u ns=%llu user=%d session=%d cause=%s\\n",
				args.uid, args.ns, args.user, args.session,
				args.cause == 0 ? "death" : "other");
		}
	END
	life_of "$OTTO" >"$WORK/life"
	chmod 755 "$WORK/life"
	tracer bpftrace -q -c "/bin/sh $WORK/life" "$WORK/script" \
		>"$WORK/report" 2>"$WORK/log" || {
		complain "bpftrace failed"
		sed 's/^/#   /' "$WORK/log"
	}
	expect_life "$OTTO" "$WORK/report"
	unload
}

is_json() {
	tracer python3 -m json.tool "$WORK/json" >/dev/null || {
		complain "this is no JSON:"
		sed 's/^/#   /' "$WORK/json"
	}
}

json() {
	load
	login "$MARA"
	user_session "$MARA" >/dev/null
	leave_survivor "$RITA"
	write_to "$LINGER" 600
	user_session "$SVEN" >/dev/null
	wait_for 10 state_is "$SVEN" lingering || complain "it does not linger"
	./usk-status --json >"$WORK/json"
	is_json
	usk_pins --json "$MARA" >"$WORK/json"
	is_json
	usk_pins --json "$SVEN" >"$WORK/json"
	is_json
	logout "$holder"
	unload
}

# It is found within seconds: here there are so few records that they are read in time.
says_that_it_is_not_known() {
	./usk-status >"$WORK/status"
	./usk-status --json >"$WORK/json"
	grep -q "^    UID $RUTH, namespace [0-9]*: gone just now\$" "$WORK/status" &&
		grep -q "\"uid\": $RUTH, .*\"gone_for\": null, \"left\": null}" "$WORK/json"
}

unnoticed() {
	load
	die_unnoticed "$RUTH"
	write_to "$LINGER" 600
	wait_for 3 says_that_it_is_not_known || {
		complain "it does not say so:"
		sed 's/^/#   /' "$WORK/status" "$WORK/json"
	}
	write_to "$LINGER" 0
	ends "$us" "the pair"
	unload
}

# hold UID: what a process of the UID, or one that was, has open, in Python.
HOLD='
import ctypes, os, select, sys, time
uid, stays = int(sys.argv[1]), sys.argv[2] == "stay"
os.setresuid(uid, uid, 0)
file = open("/etc/passwd")
pipes = [os.pipe() for _ in range(2)]
epoll = select.epoll()
os.dup(epoll.fileno())
if not stays:
    shared = ctypes.CDLL(None).shmget(0, 4096, 0o1600)
if not stays:
    os.setresuid(0, 0, 0)
print("there", flush=True)
time.sleep(1000)
'

hold_files() {
	exec tracers/bin/python3 -c "$HOLD" "$@" >"$WORK/answer"
}

start_holding() {
	: >"$WORK/answer"
	export LD_LIBRARY_PATH="$PWD/tracers/lib"
	in_background hold_files "$@"
	unset LD_LIBRARY_PATH
	process=$last
	wait_for 60 has_answer || complain "nothing is held"
}

# expect_pins UID EXPLAINED UNEXPLAINED [--bpf]: what is said is in $WORK/said.
expect_pins() {
	wait_for 20 pins_are "$1" $(($2 + $3)) ||
		complain "there are $(field "$1" pins) pins, not $(($2 + $3))"
	usk_pins ${4:+"$4"} "$1" >"$WORK/said" 2>&1
	same "what usk-pins $4 returns" "$?" 0
	sed 's/^/# usk-pins: /' "$WORK/said"
	same "what it begins with" "$(head -n 1 "$WORK/said")" \
		"UID $1: $(($2 + $3)) pins, state alive"
	grep -qx "$2 explained, $3 unexplained" "$WORK/said" || complain "the sum is another"
}

# expect_lines COUNT PATTERN
expect_lines() {
	same "lines of \"$2\"" "$(grep -c "^  $2\$" "$WORK/said")" "$1"
}

# Credentials and programs of processes, two pipes, and epoll, which has two numbers.
pins() {
	expect_automount
	load
	start_holding "$PIET" stay
	in_background ./as "$PIET" sleep 1000
	wait_for 10 has_uid "$PIET" "$last" || complain "UID $PIET is not there"
	user_session "$PIET" >/dev/null
	# It has been executed by the UID, and that is what is not seen.
	expect_pins "$PIET" 5 1
	expect_lines 1 "process $process (python3)"
	expect_lines 1 "process $last (sleep)"
	expect_lines 2 "pipe of process $process, fd [46]"
	expect_lines 1 "epoll of process $process, fd 8"
	expect_pins "$PIET" 6 0 --bpf
	expect_lines 1 "credentials: task $last"
	expect_lines 1 "credentials: program of $last"
	expect_lines 1 "credentials: task $process, fd 3 of $process, .* more"
	expect_lines 2 "pipe: fd [46] of $process, fd [57] of $process"
	expect_lines 1 "epoll: fd 8 of $process, fd 9 of $process"
	unload
}

# What is open has credentials that nobody has any more. Whose epoll is, is not seen then.
pins_left() {
	expect_automount
	load
	start_holding "$RITA" leave
	user_session "$RITA" >/dev/null
	expect_pins "$RITA" 2 2
	expect_lines 2 "pipe of process $process, fd [46]"
	expect_lines 1 "perhaps: System V shared memory [0-9]*, made by the UID"
	expect_lines 4 "perhaps: pipe:.*, made by the UID, is fd [4-7] of process $process (.*)"
	expect_pins "$RITA" 4 0 --bpf
	expect_lines 1 "credentials: fd 3 of $process, .* and 3 more"
	unload
}

pins_refusals() {
	refused_by usk-pins "is not loaded" usk_pins 1000
	load
	for bad in -1 4294967295 root 1.5 ""; do
		refused_by usk-pins "is no UID" usk_pins -- "$bad"
	done
	refused_by usk-pins "UID" usk_pins
	refused_by usk-pins "bpftrace is not installed" tracer python3 ./usk-pins --bpf 1000
	unload
}

# Those that people would type, which need the libraries as well.
lay_out_tracers() {
	mkdir -p "$WORK/bin" tools
	for tool in tracers/bin/*; do
		cat >"$WORK/bin/${tool##*/}" <<-END
			#!/bin/sh
			LD_LIBRARY_PATH=$PWD/tracers/lib exec $PWD/$tool "\$@"
		END
	done
	chmod +x "$WORK/bin"/*
	ln -sf ../usk-pins tools
	ln -s "$PWD/usk-pins" "$WORK/bin"
}

live_all_the_time() {
	while :; do
		user_session "$TARA" >/dev/null
		sleep 0.5
	done
}

# Each of them shows something of the UID that comes and goes, or of the one that stays.
documented() {
	expect_automount
	load
	mount_tracing
	lay_out_tracers
	in_background live_all_the_time
	in_background ./as 1002 sleep 1000
	wait_for 10 has_uid 1002 "$last" || complain "UID 1002 is not there"
	user_session 1002 >/dev/null
	for block in "$PWD"/commands.d/*; do
		note "$(sed -n '1s/^# //p' "$block")"
		PATH=$WORK/bin:$PATH sh -eux "$block" >"$WORK/said" 2>&1 ||
			complain "it returned $?"
		grep -qE "uid=$TARA .*cause=death|UID $TARA has lost|UID 1002: [1-9]+ pins" \
			"$WORK/said" || complain "it shows nothing"
		no_complaints || tail -n 40 "$WORK/said" | sed 's/^/#   /'
	done
	# Who comes and goes without the module is not ended.
	stop_all
	unload
}

run_tests tracers "$TRACERS" "$1"
