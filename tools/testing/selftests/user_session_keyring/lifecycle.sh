# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# The module's life cycle: into the kernel, out of it, at awkward moments and
# again and again, and what becomes of keyrings and keys meanwhile. Each test
# starts and ends without the module, and its log is checked.

# What functions.sh has at hand.
# shellcheck disable=SC2154

STORM=25

GC_DELAY=/proc/sys/kernel/keys/gc_delay

# A function, and what it shows.
LIFECYCLE="survive_loading: serials and keys survive loading and removal
survive_removal: a pair made while loaded survives the module
tell_unmapped: removal tells of keyrings that the kernel does not find
survive_unmapped: serials and keys of a UID without a mapping survive
load_twice: a second loading is refused
remove_enabled: removal while enabled is refused
load_in_transition: loading during another transition is refused
load_while_asked: loading waits for a process in the kernel's own code
disable_while_asked: disabling waits for a process in the module's code
reverse_disabling: disabling can be reversed midway
disable_in_upcall: disabling does not wait for an upcall
storm: $STORM times in and out under load"

list_lifecycle() {
	list_tests "life cycle" "$LIFECYCLE"
}

lifecycle() {
	play_tests "life cycle" "$LIFECYCLE"
}

# UIDs of their own: no scenario has used them. Those from DAVE on have no pair
# until their test asks for it.
ALICE=5001
BOB=5002
CAROL=5003
DAVE=5004
ERIN=5005
FRANK=5006
GINA=5007
HUGO=5008
IRIS=5009
JUDY=5010
KARL=5011
NEWCOMERS=600000000

# Whatever time has gone by.
counters() {
	grep -v "^age " "$STATS"
}

user_session() {
	./as "$1" keyctl id @us
}

pair() {
	echo "$1: $(./as "$1" keyctl id @u) $(user_session "$1")"
}

has_uid() {
	grep -q "^Uid:	$1	" "/proc/$2/status"
}

# login UID...: a process that does nothing, for the keyrings to live until the test ends.
login() {
	for uid; do
		in_background ./as "$uid" sleep 1000
		wait_for 10 has_uid "$uid" "$last" || complain "UID $uid is not there"
	done
}

print_key() {
	./as "$1" keyctl print "%user:$2"
}

# start_namespace -n|-u UID: it has a namespace too, and in it another pair.
start_namespace() {
	in_background ./as "$1" "$2" sleep 1000
	namespace=$last
	inhabitant=$2
	wait_for 10 in_namespace true 2>/dev/null ||
		complain "there is no namespace"
}

in_namespace() {
	[ "$(readlink "/proc/$namespace/ns/user")" != \
		"$(readlink /proc/self/ns/user)" ] &&
		./as -j "$namespace" "$inhabitant" "$@"
}

look_around() {
	for uid in 0 "$ALICE" "$BOB"; do
		pair "$uid"
		./as "$uid" keyctl rlist @u
		./as "$uid" keyctl rlist @us
	done
	in_namespace keyctl id @u
	in_namespace keyctl id @us
	print_key "$ALICE" alice
	print_key "$BOB" bob
	in_namespace keyctl print %user:inside
}

survive_loading() {
	login "$ALICE" "$BOB"
	start_namespace -n "$ALICE"
	./as "$ALICE" keyctl add user alice "hers" @us >/dev/null
	./as "$BOB" keyctl add user bob "his" @u >/dev/null
	in_namespace keyctl add user inside "hers, inside" @us >/dev/null
	before=$(look_around)
	same "what was made at first" "$(echo "$before" | tail -n 3)" \
		"hers
his
hers, inside"
	for round in first second; do
		load
		same "the $round time, loaded" "$(look_around)" "$before"
		# Root's, Alice's, Bob's, and Alice's in her namespace.
		same "pairs adopted" "$(counter adoptions)" 4
		same "pairs made" "$(counter creations)" 0
		disable
		same "the $round time, disabled" "$(look_around)" "$before"
		remove
		same "the $round time, removed" "$(look_around)" "$before"
	done
}

survive_removal() {
	login "$CAROL"
	load
	before=$(pair "$CAROL")
	same "pairs made" "$(counter creations)" 1
	./as "$CAROL" keyctl add user carol "kept" @us >/dev/null
	unload
	same "the pair, removed" "$(pair "$CAROL")" "$before"
	same "her key, removed" "$(print_key "$CAROL" carol)" kept
	./as "$CAROL" keyctl add user later "kept too" @u >/dev/null
	load
	same "the pair, loaded again" "$(pair "$CAROL")" "$before"
	same "her keys, loaded again" \
		"$(print_key "$CAROL" carol), $(print_key "$CAROL" later)" \
		"kept, kept too"
	# Root's, and hers.
	same "pairs adopted" "$(counter adoptions)" 2
	unload
}

look_around_inside() {
	for keyring in @u @us; do
		in_namespace keyctl id "$keyring"
		in_namespace keyctl rlist "$keyring"
	done
	in_namespace keyctl search @us user inside
	in_namespace keyctl print %user:inside
}

# The collector is called when some key dies.
let_a_key_die() {
	keyctl invalidate "$(keyctl add user dying now @u)"
}

# Another one must have come in its place.
is_renewed() {
	let_a_key_die
	now=$(in_namespace keyctl id @us 2>/dev/null) && [ "$now" != "$1" ]
}

invalidate_user_session() {
	in_namespace keyctl invalidate @us
}

is_refused() {
	! in_namespace keyctl id @us >/dev/null 2>&1
}

# What has expired is refused until the collector unlinks it, which takes gc_delay.
expire_user_session() {
	in_namespace keyctl timeout @us 1
	wait_for 10 is_refused || complain "@us does not expire"
}

# renew_user_session invalidate|expire KEY: have another one, and a key in it.
renew_user_session() {
	dead=$(in_namespace keyctl id @us)
	delay=$(cat "$GC_DELAY")
	"$1_user_session"
	echo 0 >"$GC_DELAY"
	wait_for 10 is_renewed "$dead" || complain "there is no other @us"
	echo "$delay" >"$GC_DELAY"
	in_namespace keyctl add user inside "$2" @us >/dev/null
	before=$(look_around_inside)
	same "the key in the other @us" "$(echo "$before" | tail -n 1)" "$2"
}

# Nobody else lives there, so its keyrings are the namespace's own, which the kernel finds.
survive_unmapped() {
	start_namespace -u "$JUDY"
	in_namespace keyctl add user inside "hers" @us >/dev/null
	before=$(look_around_inside)
	same "her key" "$(echo "$before" | tail -n 1)" hers
	load
	same "loaded" "$(look_around_inside)" "$before"
	renew_user_session invalidate "hers, anew"
	disable
	same "disabled" "$(look_around_inside)" "$before"
	remove
	same "removed" "$(look_around_inside)" "$before"
	load
	same "loaded again" "$(look_around_inside)" "$before"

	start_namespace -u "$KARL"
	renew_user_session expire "his"
	disable
	same "the pair made while loaded, disabled" "$(look_around_inside)" "$before"
	remove
	same "the pair made while loaded, removed" "$(look_around_inside)" "$before"
}

# The second UID that has no mapping in a namespace has a pair that is out of the kernel's sight.
UNMAPPED_KEPT="^<4>$MODULE: 1 UIDs without a mapping have keyrings that the kernel does not find\$"

has_answer() {
	[ -s "$WORK/answer" ]
}

tell_unmapped() {
	start_namespace -u "$JUDY"
	in_namespace keyctl id @us >/dev/null
	load
	: >"$WORK/answer"
	in_background ./as -j "$namespace" 0 sh -c \
		'keyctl id @us >"$1" && exec sleep 1000' sh "$WORK/answer"
	wait_for 10 has_answer || complain "root is not answered"
	unload
	also_expected=$UNMAPPED_KEPT
	log_since_mark | grep -q "$UNMAPPED_KEPT" || complain "it does not say which keyrings go"
}

# refused REASON COMMAND...: it must fail, and say why.
refused() {
	reason=$1
	shift
	if said=$("$@" 2>&1); then
		complain "\"$*\" succeeded"
		return
	fi
	case $said in
	*"$reason"*) ;;
	*) complain "\"$*\" said \"$said\", not \"$reason\"" ;;
	esac
}

# Still in charge: an answer to a UID on record is a hit.
answers_by_module() {
	user_session "$ALICE" >/dev/null
	hits=$(counter hits)
	user_session "$ALICE" >/dev/null
	same "hits of one more question" $(($(counter hits) - hits)) 1
	same "enabled" "$(cat "$LIVEPATCH/enabled")" 1
}

load_twice() {
	login "$ALICE"
	load
	before=$(pair "$ALICE")
	seen=$(counters)
	refused "File exists" insmod "./$MODULE.ko"
	same "the counters" "$(counters)" "$seen"
	same "the pair" "$(pair "$ALICE")" "$before"
	answers_by_module
	unload
}

remove_enabled() {
	login "$ALICE"
	load
	before=$(pair "$ALICE")
	seen=$(counters)
	refused "Resource temporarily unavailable" rmmod "$MODULE"
	same "the counters" "$(counters)" "$seen"
	same "the pair" "$(pair "$ALICE")" "$before"
	answers_by_module
	unload
}

is_in_pause() {
	grep -q '^34 ' "/proc/$1/syscall"
}

load_in_transition() {
	login "$ALICE"
	other=/sys/kernel/livepatch/test_klp_pause
	before=$(pair "$ALICE")
	in_background ./pause
	sleeper=$last
	wait_for 10 is_in_pause "$sleeper" || complain "it does not pause"
	insmod ./test_klp_pause.ko || complain "no other livepatch"
	same "the other's transition" "$(cat $other/transition)" 1
	refused "Device or resource busy" insmod "./$MODULE.ko"
	also_expected="^<3>$MODULE: a livepatch is in transition or a function is taken"
	log_since_mark | grep -q "$also_expected" ||
		complain "the log does not say that it is for a transition"
	for left in "/sys/module/$MODULE" "$LIVEPATCH" "${STATS%/*}"; do
		[ ! -e "$left" ] || complain "$left stayed behind"
	done
	same "the other's transition" "$(cat $other/transition)" 1
	same "the pair" "$(pair "$ALICE")" "$before"

	kill "$sleeper"
	wait_for 30 holds $other/transition 0 || complain "the other stays"
	load
	same "the pair, loaded" "$(pair "$ALICE")" "$before"
	answers_by_module
	unload
	echo 0 >$other/enabled
	wait_for 30 missing $other || complain "the other cannot be disabled"
	wait_for 10 rmmod test_klp_pause 2>/dev/null ||
		complain "the other cannot be removed"
}

# Ask for the first pair of a UID, and be held up on the way to it.
ask_held_up() {
	insmod ./test_hold_keyring_sem.ko || complain "nothing to hold it up"
	in_background user_session_into "$WORK/answer" "$1"
	asker=$last
	wait_for 10 is_held_up "$2" || complain "it is not held up in $2"
}

user_session_into() {
	exec ./as "$2" keyctl id @us >"$1"
}

is_held_up() {
	grep -q "$1" "/proc/$asker/stack"
}

let_go() {
	rmmod test_hold_keyring_sem || complain "it cannot be let go"
	wait "$asker" || complain "it was not answered"
}

load_while_asked() {
	login "$ALICE" "$DAVE"
	ask_held_up "$DAVE" look_up_user_keyrings
	insmod "./$MODULE.ko" || complain "insmod failed"
	if wait_for 3 transition_is 0; then
		complain "the transition ended under a process in old code"
	fi
	let_go
	wait_for 30 transition_is 0 || complain "the transition does not end"
	same "the pair made by the kernel's own code" \
		"$(user_session "$DAVE")" "$(cat "$WORK/answer")"
	same "pairs made" "$(counter creations)" 0
	answers_by_module
	unload
}

disable_while_asked() {
	login "$ERIN"
	load
	ask_held_up "$ERIN" "\[$MODULE\]"
	echo 0 >"$LIVEPATCH/enabled"
	if wait_for 3 missing "$LIVEPATCH"; then
		complain "the transition ended under a process in the module"
	fi
	refused "Resource temporarily unavailable" rmmod "$MODULE"
	let_go
	wait_for 30 missing "$LIVEPATCH" || complain "it cannot be disabled"
	same "the pair made by the module" "$(user_session "$ERIN")" \
		"$(cat "$WORK/answer")"
	remove
	same "the pair made by the module" "$(user_session "$ERIN")" \
		"$(cat "$WORK/answer")"
}

reverse_disabling() {
	login "$ALICE" "$FRANK"
	load
	before=$(pair "$ALICE")
	ask_held_up "$FRANK" "\[$MODULE\]"
	echo 0 >"$LIVEPATCH/enabled"
	same "the transition" "$(cat "$LIVEPATCH/transition")" 1
	echo 1 >"$LIVEPATCH/enabled"
	let_go
	wait_for 30 transition_is 0 || complain "it cannot be reversed"
	same "the pair made meanwhile" "$(user_session "$FRANK")" \
		"$(cat "$WORK/answer")"
	same "the pair" "$(pair "$ALICE")" "$before"
	answers_by_module
	unload
	same "the pair, removed" "$(pair "$ALICE")" "$before"
}

is_constructing() {
	grep -q call_usermodehelper "/proc/$asker/stack"
}

disable_in_upcall() {
	login "$GINA"
	load
	in_background ./as "$GINA" \
		keyctl request2 user late "wait $WORK/go" @us >/dev/null
	asker=$last
	wait_for 10 is_constructing || complain "there is no upcall"
	unload
	: >"$WORK/go"
	wait "$asker" || complain "the key was not made"
	./as "$GINA" keyctl search @us user late >/dev/null ||
		complain "the key made meanwhile is not in @us"
}

rounds() {
	done=$(cat "$WORK/rounds.$1")
	echo "${done:-0}"
}

went_on() {
	[ "$(rounds "$HUGO")" -gt "$hugo" ] &&
		[ "$(rounds "$IRIS")" -gt "$iris" ] &&
		[ "$(rounds "$NEWCOMERS")" -gt "$newcomers" ]
}

# All must come to an answer of their own again, every time.
progress() {
	hugo=$(rounds "$HUGO")
	iris=$(rounds "$IRIS")
	newcomers=$(rounds "$NEWCOMERS")
	wait_for 20 went_on || complain "no progress, $1, cycle $cycle"
}

storm() {
	login "$HUGO" "$IRIS"
	for uid in "$HUGO" "$IRIS"; do
		: >"$WORK/rounds.$uid"
		chown "$uid" "$WORK/rounds.$uid"
		./as "$uid" keyctl add user before "storm" @us >/dev/null
	done
	chmod 711 "$WORK"
	before=$(pair "$HUGO" && pair "$IRIS")
	cycle=0
	workers=
	for uid in "$HUGO" "$IRIS"; do
		in_background ./as "$uid" ./hammer "$WORK/rounds.$uid"
		workers="$workers $last"
	done
	: >"$WORK/rounds.$NEWCOMERS"
	in_background ./newcomers "$NEWCOMERS" "$WORK/rounds.$NEWCOMERS"
	workers="$workers $last"
	progress "absent"
	while [ "$cycle" -lt "$STORM" ] && no_complaints; do
		cycle=$((cycle + 1))
		load
		progress "loaded"
		[ "$(counter hits)" -gt 0 ] || complain "no hits, cycle $cycle"
		[ "$(counter rcu_hits)" -gt 0 ] ||
			complain "no hits of searches, cycle $cycle"
		unload
		progress "removed"
	done
	for pid in $workers; do
		kill "$pid"
		wait "$pid" || complain "one at work ended with status $?"
	done
	note "$cycle cycles, $(rounds "$HUGO") and $(rounds "$IRIS") rounds," \
		"$(rounds "$NEWCOMERS") newcomers"
	same "the pairs" "$(pair "$HUGO" && pair "$IRIS")" "$before"
	for uid in "$HUGO" "$IRIS"; do
		same "the key kept" "$(print_key "$uid" kept)" kept
		same "the key of before" "$(print_key "$uid" before)" storm
	done
	for line in "enabling patch '$MODULE'" "'$MODULE': patching complete" \
		"'$MODULE': unpatching complete"; do
		same "lines of \"$line\" in the log" \
			"$(log_since_mark | grep -c "livepatch: $line")" \
			"$STORM"
	done
}
