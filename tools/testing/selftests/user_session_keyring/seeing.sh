# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# What there is to see for root: tracepoints, and usk-status. As in lifecycle.sh, each test starts
# and ends without the module. Users, keys and records are told as in life.sh.

# What lifecycle.sh and life.sh have at hand, and functions.sh asks for.
# shellcheck disable=SC2034,SC2154

TRACING=/sys/kernel/tracing
EVENTS=$TRACING/events/$MODULE

SEEING="trace_creation: create and destroy are told, and look-ups are not
trace_adoption: adopt is told of keyrings from before, while loading as well
trace_reaping: destroy is told of what root ends
trace_namespace: destroy is told of what ends with its namespace
trace_revival: revive is told of a UID that comes back at the last moment
trace_hand_back: hand_back is told of survivors, and adopt when they are found
untrace: removal takes the events along, though they are enabled
status_absent: usk-status says that the module is not there
status: usk-status says what lingers, survives, is from before, and is gone
status_doubts: usk-status says when the module does not answer for all
status_refusals: usk-status says in one line what it cannot do"

list_seeing() {
	list_tests seeing "$SEEING"
}

seeing() {
	play_tests seeing "$SEEING"
}

# For this file alone.
ADAM=5401
BEAT=5402
CLEO=5403
DORA=5404
EMIL=5405
FAYE=5406
GREG=5407
HEDI=5408
IVAN=5409
JANA=5410
KURT=5411
LENA=5412
flicker_uid=630000000

# Have all events told from now on, and what was told before forgotten.
follow() {
	[ -e "$TRACING/trace" ] || mount -t tracefs none "$TRACING"
	echo >"$TRACING/trace"
	echo 1 >"$EVENTS/enable" || complain "the events cannot be enabled"
}

unfollow() {
	echo 0 >"$EVENTS/enable"
	echo >"$TRACING/trace"
}

# told EVENT UID: the fields of each event about a UID, a line each.
told() {
	sed -n "s/^.*: $1: uid=$2 /uid=$2 /p" "$TRACING/trace"
}

is_told() {
	[ "$(told "$1" "$2")" = "$3" ]
}

# expect_told EVENT UID FIELDS: once, and with these fields.
expect_told() {
	wait_for 10 is_told "$@" || complain "$1 of UID $2: \"$(told "$1" "$2")\" should be \"$3\""
}

# keyrings UID: as events have them, by what records has.
keyrings() {
	echo "uid=$1 ns=$(field "$1" ns) user=$(field "$1" user) session=$(field "$1" session)"
}

trace_creation() {
	load
	follow
	login "$ADAM"
	process=$last
	same "events before the first look-up" "$(told '[a-z_]*' "$ADAM")" ""
	leave_secret "$ADAM" "gone"
	keyrings=$(keyrings "$ADAM")
	pair="user=$(./as "$ADAM" keyctl id @u) session=$(user_session "$ADAM")"
	same "the keyrings" "$keyrings" "uid=$ADAM ns=$(field 0 ns) $pair"
	expect_told create "$ADAM" "$keyrings"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		user_session "$ADAM" >/dev/null
	done
	same "events of look-ups" "$(told '[a-z_]*' "$ADAM")" "$keyrings"
	keys=$(counter keys_gone)
	logout "$process"
	expect_told destroy "$ADAM" "$keyrings cause=death"
	same "all events of a life" "$(grep -c "uid=$ADAM " "$TRACING/trace")" 2
	same "keys that are gone" "$(($(counter keys_gone) - keys))" 1
	unfollow
	unload
}

trace_adoption() {
	login "$BEAT"
	leave_secret "$BEAT" "from before"
	leave_secret "$CLEO" "from before"
	[ -e "$TRACING/trace" ] || mount -t tracefs none "$TRACING"
	echo >"$TRACING/trace"
	# Whose events are enabled as soon as there is such a module.
	echo ":mod:$MODULE" >"$TRACING/set_event" || complain "a module cannot be waited for"
	load
	expect_told adopt "$BEAT" "$(keyrings "$BEAT")"
	same "the events of who is not there" "$(told '[a-z_]*' "$CLEO")" ""
	keyrings=$(keyrings "$CLEO")
	same "the state of who is not there" "$(field "$CLEO" state)" before
	login "$CLEO"
	user_session "$CLEO" >/dev/null
	expect_told adopt "$CLEO" "$keyrings"
	unfollow
	unload
}

trace_reaping() {
	leave_secret "$DORA" "from before"
	login "$EMIL"
	load
	follow
	leave_secret "$EMIL" "reaped"
	alive=$(keyrings "$EMIL")
	from_before=$(keyrings "$DORA")
	write_to "$REAP" "$EMIL" || complain "it is refused"
	expect_told destroy "$EMIL" "$alive cause=reap"
	write_to "$REAP" "$DORA" || complain "it is refused"
	expect_told destroy "$DORA" "$from_before cause=reap"
	also_expected="^<5>$MODULE: keyrings of UID ($EMIL|$DORA) ended on request\$"
	unfollow
	unload
}

trace_namespace() {
	load
	follow
	login "$FAYE"
	start_namespace -n "$FAYE"
	in_namespace keyctl id @us >/dev/null
	keyrings=$(keyrings "$FAYE")
	expect_told create "$FAYE" "$keyrings"
	logout "$namespace"
	expect_told destroy "$FAYE" "$keyrings cause=namespace"
	unfollow
	unload
}

# The UID of the first event of a kind.
first_told() {
	sed -n "s/^.*: $1: uid=\([0-9]*\) .*/\1/p" "$TRACING/trace" | head -n 1
}

trace_revival() {
	load
	follow
	rounds=0
	revived=
	while [ -z "$revived" ] && [ "$rounds" -lt 20 ]; do
		rounds=$((rounds + 1))
		echo >"$TRACING/trace"
		# It is to provoke one, and has tests of its own.
		./flicker 200 6 "$flicker_uid" >/dev/null
		revived=$(first_told revive)
	done
	met "revivals in $rounds rounds" "$(counter revivals)"
	met "revivals that were told" "${revived:-0}"
	# What it was told to have before is what it had after.
	keyrings=$(told revive "$revived" | head -n 1)
	note "in round $rounds: $keyrings"
	{ told create "$revived"; told adopt "$revived"; } | grep -qx "$keyrings" ||
		complain "a pair that nobody has made is revived"
	same "revivals told and counted" "$(grep -c ': revive: ' "$TRACING/trace")" \
		"$(counter revivals)"
	unfollow
	unload
}

trace_hand_back() {
	load
	follow
	leave_survivor "$GREG"
	gone=$(told destroy "$GREG")
	same "the end of a survivor's UID" "$gone" "$(keyrings "$GREG") cause=death"
	user_session "$GREG" >/dev/null
	expect_told adopt "$GREG" "${gone% cause=*}"
	wait_for 10 state_is "$GREG" survivor || complain "it does not become one again"
	same "what is handed back already" "$(told hand_back "$GREG")" ""
	disable
	expect_told hand_back "$GREG" "${gone% cause=*}"
	logout "$holder"
	unfollow
	remove
}

untrace() {
	load
	follow
	events=$(find "$EVENTS" -mindepth 1 -type d | sed 's/.*\///' | sort | tr '\n' ' ')
	same "events" "$events" "adopt create destroy hand_back revive "
	unload
	[ ! -e "$EVENTS" ] || complain "the events stayed behind"
	# They come back disabled.
	load
	same "enabled" "$(cat "$EVENTS/enable")" 0
	unload
}

# expect_status STATUS OPTION PATTERN...: what usk-status returns, and lines that it has to say.
expect_status() {
	wanted=$1
	option=$2
	shift 2
	./usk-status ${option:+"$option"} >"$WORK/said" 2>&1
	same "what usk-status $option returns" "$?" "$wanted"
	for pattern; do
		grep -qE -- "$pattern" "$WORK/said" || {
			complain "usk-status $option does not say \"$pattern\":"
			sed 's/^/#   /' "$WORK/said"
		}
	done
}

status_absent() {
	expect_status 1 "" "^$MODULE does not answer: it is not loaded\$"
	expect_status 1 --json \
		'^\{"state": "absent", "answers": false, "why": "it is not loaded"\}$'
	same "lines" "$(wc -l <"$WORK/said")" 1
	# It takes nobody special to see that.
	./as "$HEDI" ./usk-status >/dev/null
	same "what usk-status returns to others" "$?" 1
}

# left_is_known UID: it lingers, and that has been noticed.
left_is_known() {
	case $(field "$1" left) in
	"" | -) return 1 ;;
	esac
}

# How many lines records has in a state.
count_records() {
	awk -v state="$1" '$5 == state { n++ } END { print n + 0 }' "$RECORDS"
}

status() {
	leave_secret "$IVAN" "from before"
	load
	expect_status 0 "" "^$MODULE answers\$" "^  loaded: $(date +%Y)-.*, [0-9] s ago\$"
	leave_survivor "$JANA"
	login "$HEDI"
	process=$last
	./as "$HEDI" keyctl add user one 1 @us >/dev/null
	./as "$HEDI" keyctl add user two 2 @u >/dev/null
	keys=$(counter keys_gone)
	deaths=$(counter deaths)
	us=$(user_session "$HEDI")
	logout "$process"
	ends "$us" "the pair"
	same "keys that are gone" "$(($(counter keys_gone) - keys))" 2
	write_to "$LINGER" 600
	leave_secret "$KURT" "lingers"
	wait_for 10 left_is_known "$KURT" || complain "it does not linger"
	left=$(field "$KURT" left)
	{ [ "$left" -le 600 ] && [ "$left" -ge 570 ]; } || complain "$left seconds are left of 600"
	same "what is left of who survives" "$(field "$JANA" left)" -

	expect_status 0 "" "^  alive: $(count_records alive) pairs of keyrings, of [0-9]* UIDs\$" \
		"^  lingering: $(count_records lingering)\$" \
		"^    UID $KURT, namespace [0-9]*: gone for [0-9]* s, goes in [0-9]* (s|min)\$" \
		"^  survivors: $(count_records survivor)\$" \
		"^    UID $JANA, namespace [0-9]*: gone for [0-9]* s" \
		"^  gone before it was loaded.*: $(count_records before)\$" \
		"^  ended with their UID.*: $((deaths + 1)) pairs, and $(counter keys_gone) keys"
	one="\"ns\": $(field "$JANA" ns), \"user\": [0-9]+, \"session\": [0-9]+"
	gone='"gone_for": [0-9]+'
	expect_status 0 --json '^\{"state": "answers", "answers": true, "loaded_for": [0-9]+, ' \
		"\"pairs\": $(count_records alive), " \
		"\"lingering\": \[.*\{\"uid\": $KURT, $one, $gone, \"left\": [0-9]+\}" \
		"\"survivors\": \[.*\{\"uid\": $JANA, $one, $gone\}" \
		"\"before\": \[.*\{\"uid\": $IVAN, $one\}.*\], \"ended\": " \
		"\"ended\": \{\"pairs\": $((deaths + 1)), \"keys\": $(counter keys_gone), " \
		"\"reaped\": 0\}\}\$"
	same "lines" "$(wc -l <"$WORK/said")" 1

	disable
	expect_status 1 "" "does not answer: it is disabled, or another livepatch has replaced it\$"
	expect_status 1 --json '^\{"state": "disabled", "answers": false, "why": '
	logout "$holder"
	remove
}

status_doubts() {
	login "$LENA"
	ask_held_up "$ADAM" look_up_user_keyrings
	insmod "./$MODULE.ko" || complain "insmod failed"
	expect_status 1 "" "does not answer: it is being enabled"
	expect_status 1 --json '"state": "enabling"'
	let_go
	wait_for 30 transition_is 0 || complain "the transition does not end"
	expect_status 0 --json '"state": "answers"'

	in_background ./pause
	sleeper=$last
	wait_for 10 is_in_pause "$sleeper" || complain "it does not pause"
	insmod ./test_klp_pause.ko || complain "no other livepatch"
	expect_status 1 --json '"state": "paused"'
	kill "$sleeper"
	wait_for 30 holds /sys/kernel/livepatch/test_klp_pause/transition 0 ||
		complain "the other stays"
	expect_status 0 --json '"state": "answers"'

	other=/sys/kernel/livepatch/test_klp_own
	insmod ./test_klp_own.ko || complain "no other livepatch"
	wait_for 30 holds $other/transition 0 || complain "the other's transition does not end"
	expect_status 1 --json '"state": "superseded"'
	echo 0 >$other/enabled
	wait_for 30 missing $other || complain "the other cannot be disabled"
	wait_for 10 rmmod test_klp_own 2>/dev/null || complain "the other cannot be removed"
	expect_status 0 --json '"state": "answers"'
	echo 0 >/sys/kernel/livepatch/test_klp_pause/enabled
	wait_for 30 missing /sys/kernel/livepatch/test_klp_pause ||
		complain "the other cannot be disabled"
	wait_for 10 rmmod test_klp_pause 2>/dev/null || complain "the other cannot be removed"

	ask_held_up "$HEDI" "\[$MODULE\]"
	echo 0 >"$LIVEPATCH/enabled"
	expect_status 1 --json '"state": "disabling"'
	let_go
	wait_for 30 missing "$LIVEPATCH" || complain "it cannot be disabled"
	remove
}

status_refusals() {
	load
	for bad in --jsno -j "--json --json" status; do
		# shellcheck disable=SC2086 # some are two
		refused_by usk-status "it takes --json or nothing" ./usk-status $bad
	done
	refused_by usk-status "only root can see" ./as "$LENA" ./usk-status
	refused_by usk-status "debugfs is not mounted" unshare -m sh -c \
		'umount /sys/kernel/debug && exec ./usk-status'
	./usk-status --help | grep -q "^usage: usk-status \[--json\]\$" ||
		complain "there is no help"
	unload
}
