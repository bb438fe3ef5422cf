# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# The documented life, where it takes the module's coming and going or what only root has:
# parameters, and the files in debugfs. As in lifecycle.sh, each test starts and ends without the
# module.

# What lifecycle.sh has at hand.
# shellcheck disable=SC2154

DEBUGFS=/sys/kernel/debug/$MODULE
RECORDS=$DEBUGFS/records
REAP=$DEBUGFS/reap
LINGER=/sys/module/$MODULE/parameters/linger

LIFE="stay_in_transition: nothing ends while tasks switch over
stay_disabled: nothing ends after disabling
hand_back: survivors are found by the kernel's own code after disabling
hand_back_asked: survivors are found when disabling meets their UID coming back
request_survivor: survivors are searched by request_key() before anything else has found them
list_survivor: /proc/keys can be read before anything else has found a survivor
stay_replaced: nothing ends after another livepatch has replaced this one
hand_back_replaced: survivors are found after another livepatch has replaced this one
refuse_linger: linger takes 0 to 86400
linger: what lingers is picked up whole, and ends later
end_linger: what lingers ends when linger is shortened
limit_notices: notices of root are named, and limited
list_records: records lists what there is, for root alone
refuse_reap: reap refuses what is no UID, root, and who has nothing
reap: reap ends what is alive, in all namespaces, and what lingers
adopt_running: keyrings from before end with UIDs that had a process
adopt_later: keyrings from before are adopted when their UID comes back
reap_before: keyrings from before can be reaped"

list_life() {
	list_tests "life span" "$LIFE"
}

life() {
	play_tests "life span" "$LIFE"
}

# For this file alone.
ANNA=5101
BERT=5102
CORA=5103
DIRK=5104
EDNA=5105
FRED=5106
GRIT=5107
HANS=5108
IRMA=5109
JOST=5110
KLEO=5111
LARS=5112
MONA=5113
NILS=5114
OLGA=5115
PAUL=5116
RUTH=5117
NOBODY=5199
clock_uid=610000000

leave_secret() {
	./as "$1" keyctl add user secret "$2" @us >/dev/null
}

logout() {
	kill "$1"
	wait "$1" 2>/dev/null
}

# Keys charged to a UID, nothing if there is no record of it.
charged() {
	awk -v uid="$1:" '$1 == uid { split($3, keys, "/"); print keys[1] }' /proc/key-users
}

is_charged() {
	[ "$(charged "$1")" = "$2" ]
}

# Whoever may not be told what a key is, is told whether there is one.
is_freed() {
	keyctl describe "$1" 2>&1 | grep -q "Required key not available"
}

# Others' process keyrings, which end with the process without the module as well, are the clock.
let_others_die() {
	for nth in first second; do
		clock_uid=$((clock_uid + 1))
		./as "$clock_uid" keyctl add user clock tick @p >/dev/null
		wait_for 10 is_charged "$clock_uid" "" || complain "the $nth of others does not end"
	done
}

ends() {
	wait_for 10 is_freed "$1" || complain "$2 should be gone"
}

stays() {
	let_others_die
	! is_freed "$1" || complain "$2 should be there"
}

# same_as_before UID PAIR SECRET WHEN
same_as_before() {
	same "the pair, $4" "$(pair "$1")" "$2"
	same "the key, $4" "$(print_key "$1" secret)" "$3"
}

# field UID NAME: of the line in records, by what the first line calls it.
field() {
	awk -v uid="$1" -v name="$2" '
		NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i }
		NR > 1 && $1 == uid { print $column[name] }' "$RECORDS"
}

state_is() {
	[ "$(field "$1" state)" = "$2" ]
}

# The pair is made by the kernel's own code, and the transition is held up.
stay_in_transition() {
	login "$ANNA"
	process=$last
	leave_secret "$ANNA" "from before"
	before=$(pair "$ANNA")
	us=$(user_session "$ANNA")
	ask_held_up "$BERT" look_up_user_keyrings
	insmod "./$MODULE.ko" || complain "insmod failed"
	logout "$process"
	stays "$us" "the pair, while enabling,"
	same "the transition" "$(cat "$LIVEPATCH/transition")" 1
	let_go
	wait_for 30 transition_is 0 || complain "the transition does not end"
	stays "$us" "the pair, when enabled,"
	login "$ANNA"
	process=$last
	same_as_before "$ANNA" "$before" "from before" "enabled"

	ask_held_up "$CORA" "\[$MODULE\]"
	echo 0 >"$LIVEPATCH/enabled"
	logout "$process"
	stays "$us" "the pair, while disabling,"
	same "the transition" "$(cat "$LIVEPATCH/transition")" 1
	let_go
	wait_for 30 missing "$LIVEPATCH" || complain "it cannot be disabled"
	same_as_before "$ANNA" "$before" "from before" "disabled"
	remove
}

stay_disabled() {
	load
	login "$DIRK"
	process=$last
	leave_secret "$DIRK" "still there"
	before=$(pair "$DIRK")
	us=$(user_session "$DIRK")
	disable
	logout "$process"
	stays "$us" "the pair, when disabled,"
	same_as_before "$DIRK" "$before" "still there" "disabled"
	remove
	same_as_before "$DIRK" "$before" "still there" "removed"
}

# Have @us of a UID linked from a session keyring of root's; its serial is in $WORK/answer.
hold_link() {
	# shellcheck disable=SC2016
	exec keyctl session - sh -c '
		./as "$1" sh -c "keyctl add user secret linked @us && keyctl link @us @s" &&
			./as "$1" keyctl id @us >"$2" && exec sleep 1000
	' sh "$1" "$WORK/answer" >/dev/null 2>&1
}

leave_survivor() {
	: >"$WORK/answer"
	in_background hold_link "$1"
	holder=$last
	wait_for 10 has_answer || complain "there is no link"
	us=$(cat "$WORK/answer")
	wait_for 10 state_is "$1" survivor || complain "it does not become a survivor"
	same "the serial of the survivor" "$(field "$1" session)" "$us"
}

hand_back() {
	load
	leave_survivor "$EDNA"
	disable
	same "the survivor, disabled" "$(user_session "$EDNA")" "$us"
	same "the key in it, disabled" "$(print_key "$EDNA" secret)" linked
	# From now on it needs no link.
	logout "$holder"
	stays "$us" "the survivor, disabled, without the link,"
	remove
	same "the survivor, removed" "$(user_session "$EDNA")" "$us"
	same "the key in it, removed" "$(print_key "$EDNA" secret)" linked
}

# The first look-up of a UID that comes back at once waits until it is certain
# what has survived. Then the transition begins.
hand_back_asked() {
	load
	leave_survivor "$OLGA"
	./as "$OLGA" keyctl id @us >"$WORK/asked" &
	asked=$!
	disable
	wait "$asked"
	same "what was answered meanwhile" "$(cat "$WORK/asked")" "$us"
	same "the survivor, disabled" "$(user_session "$OLGA")" "$us"
	same "the key in it, disabled" "$(print_key "$OLGA" secret)" linked
	logout "$holder"
	remove
}

# Its only keyring to search is @us.
requests_secret() {
	# shellcheck disable=SC2016
	[ "$(./as "$1" sh -c 'keyctl print "$(keyctl request user secret)"' 2>/dev/null)" = linked ]
}

request_survivor() {
	load
	leave_survivor "$PAUL"
	# It is not certain at once that it lives on.
	wait_for 10 requests_secret "$PAUL" || complain "the key is not found"
	state_is "$PAUL" survivor || complain "something else has found it"
	same "the survivor" "$(user_session "$PAUL")" "$us"
	requests_secret "$PAUL" || complain "the key is not found any more"
	logout "$holder"
	unload
}

# While it lists keys, the kernel holds the lock that keys are looked up by, and asks for @us.
list_survivor() {
	load
	leave_survivor "$RUTH"
	wait_for 10 requests_secret "$RUTH" || complain "the key is not found"
	./as "$RUTH" cat /proc/keys >"$WORK/listed"
	[ -s "$WORK/listed" ] || complain "nothing is listed"
	state_is "$RUTH" survivor || complain "something else has found it"
	logout "$holder"
	unload
}

replacement=/sys/kernel/livepatch/test_klp_pause

replace() {
	insmod ./test_klp_pause.ko replace=1 || complain "no other livepatch"
	wait_for 30 holds $replacement/transition 0 || complain "it is not replaced"
	wait_for 30 missing "$LIVEPATCH" || complain "it is there, though replaced"
}

remove_both() {
	echo 0 >$replacement/enabled
	wait_for 30 missing $replacement || complain "the other cannot be disabled"
	wait_for 10 rmmod test_klp_pause 2>/dev/null ||
		complain "the other cannot be removed"
	remove
}

stay_replaced() {
	load
	login "$FRED"
	process=$last
	leave_secret "$FRED" "still there"
	before=$(pair "$FRED")
	us=$(user_session "$FRED")
	replace
	logout "$process"
	stays "$us" "the pair, when replaced,"
	same_as_before "$FRED" "$before" "still there" "replaced"
	remove_both
	same_as_before "$FRED" "$before" "still there" "removed"
}

hand_back_replaced() {
	load
	leave_survivor "$GRIT"
	replace
	# Nobody tells the module, which has to find out by itself.
	wait_for 15 state_is "$GRIT" before || complain "it is a survivor yet"
	same "the survivor, replaced" "$(user_session "$GRIT")" "$us"
	same "the key in it, replaced" "$(print_key "$GRIT" secret)" linked
	remove_both
}

write_to() {
	echo "$2" >"$1"
}

# load_with PARAMETER=VALUE
load_with() {
	insmod "./$MODULE.ko" "$1" || complain "insmod failed"
	wait_for 30 transition_is 0 || complain "the transition does not end"
}

refuse_linger() {
	for bad in 86401 -1 1.5 soon; do
		refused "Invalid argument" insmod "./$MODULE.ko" "linger=$bad"
		[ ! -e "/sys/module/$MODULE" ] || complain "it was loaded with linger=$bad"
	done
	load_with linger=60
	same "linger" "$(cat "$LINGER")" 60
	same "its mode" "$(stat -c %a "$LINGER")" 644
	for bad in 86401 -1 1.5 soon ""; do
		refused "Invalid argument" write_to "$LINGER" "$bad"
	done
	same "linger, after what was refused" "$(cat "$LINGER")" 60
	for good in 86400 0; do
		write_to "$LINGER" "$good" || complain "$good was refused"
		same "linger" "$(cat "$LINGER")" "$good"
	done
	unload
	load
	same "linger by default" "$(cat "$LINGER")" 0
	unload
	also_expected="^<3>$MODULE: \`[^']*' invalid for parameter \`linger'\$"
}

# In milliseconds, and idle processes do not stop it.
uptime() {
	awk '{ printf "%d", $1 * 1000 }' /proc/uptime
}

linger() {
	load_with linger=600
	leave_secret "$HANS" "waits"
	before=$(pair "$HANS")
	us=$(user_session "$HANS")
	wait_for 10 state_is "$HANS" lingering || complain "it does not linger"
	same "pins" "$(field "$HANS" pins)" 0
	same "tasks" "$(field "$HANS" tasks)" 0
	stays "$us" "what lingers"
	login "$HANS"
	process=$last
	same_as_before "$HANS" "$before" "waits" "picked up"
	same "the state, picked up" "$(field "$HANS" state)" alive
	write_to "$LINGER" 2
	start=$(uptime)
	logout "$process"
	ends "$us" "what has lingered"
	took=$(($(uptime) - start))
	note "it went in $took ms"
	[ "$took" -ge 2000 ] || complain "it went in $took ms, not 2000"
	wait_for 10 is_charged "$HANS" "" || complain "the quota is not given back"
	same "what is on record" "$(field "$HANS" state)" ""
	unload
}

end_linger() {
	load_with linger=600
	leave_secret "$IRMA" "waits"
	us=$(user_session "$IRMA")
	wait_for 10 state_is "$IRMA" lingering || complain "it does not linger"
	write_to "$LINGER" 0
	ends "$us" "what lingers no more"
	wait_for 10 is_charged "$IRMA" "" || complain "the quota is not given back"
	unload
}

NOTICE="keyctl\\[[0-9]*\\] of root uses the keyrings of its UID\$"

limit_notices() {
	load_with notice_root=1
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
		keyctl id @us >/dev/null
		keyctl id @u >/dev/null
	done
	notices=$(log_since_mark | grep -c "$NOTICE")
	[ "$notices" -gt 0 ] || complain "there is no notice of keyctl"
	[ "$notices" -lt 50 ] || complain "there is a notice of each call"
	write_to "${LINGER%/*}/notice_root" N
	same "notice_root" "$(cat "${LINGER%/*}/notice_root")" N
	also_expected="^<5>$MODULE: $NOTICE
^<4>[a-z_]*notice_root: [0-9]* callbacks suppressed\$"
	unload
}

list_records() {
	load
	login "$JOST"
	process=$last
	before=$(pair "$JOST")
	same "the first line" "$(head -n 1 "$RECORDS")" \
		"uid ns user session state pins tasks age left"
	same "lines with other than nine fields" "$(awk 'NF != 9' "$RECORDS")" ""
	same "the line" "$JOST: $(field "$JOST" user) $(field "$JOST" session)" "$before"
	same "the namespace" "$(field "$JOST" ns)" "$(field 0 ns)"
	same "the state" "$(field "$JOST" state)" alive
	same "tasks" "$(field "$JOST" tasks)" 1
	[ "$(field "$JOST" pins)" -ge 1 ] || complain "a process is no pin"
	[ "$(field "$JOST" age)" -le 60 ] || complain "it is $(field "$JOST" age) seconds old"

	start_namespace -n "$JOST"
	in_namespace keyctl id @us >/dev/null
	same "lines with a namespace" "$(field "$JOST" state | wc -l)" 2
	same "namespaces" "$(field "$JOST" ns | sort -u | wc -l)" 2
	field "$JOST" session | grep -qx "$(in_namespace keyctl id @us)" ||
		complain "the pair in the namespace is not listed"
	same "tasks" "$(field "$JOST" tasks | sort -u)" 2

	for file in "$RECORDS" "$DEBUGFS/stats"; do
		refused "Permission denied" ./as "$JOST" cat "$file"
	done
	refused "Permission denied" ./as "$JOST" sh -c "echo $JOST >$REAP"
	same "mode of records" "$(stat -c %a "$RECORDS")" 400
	same "mode of reap" "$(stat -c %a "$REAP")" 200

	logout "$process"
	logout "$namespace"
	wait_for 10 state_is "$JOST" "" || complain "it is listed when it is gone"
	unload
}

refuse_reap() {
	load
	login "$KLEO"
	us=$(user_session "$KLEO")
	root=$(user_session 0)
	for bad in "" KLEO -1 1.5 "$KLEO x" "$KLEO $KLEO" 4294967295 4294967296 \
		"$(printf %0100d "$KLEO")"; do
		refused "Invalid argument" write_to "$REAP" "$bad"
	done
	refused "Operation not permitted" write_to "$REAP" 0
	refused "No such file or directory" write_to "$REAP" "$NOBODY"
	stays "$us" "another's pair"
	same "reaped" "$(counter reaped)" 0
	same "root's keyring" "$(user_session 0)" "$root"
	same "the pair" "$(user_session "$KLEO")" "$us"
	unload
}

# Who is reaped is told in the log.
expect_reaped() {
	also_expected="^<5>$MODULE: keyrings of UID $1 ended on request\$"
	log_since_mark | grep -q "$also_expected" || complain "the log does not tell who is reaped"
}

reap() {
	load
	login "$LARS" "$KLEO"
	leave_secret "$LARS" "reaped"
	us=$(user_session "$LARS")
	kept=$(user_session "$KLEO")
	start_namespace -n "$LARS"
	inside=$(in_namespace keyctl id @us)
	write_to "$REAP" "$LARS" || complain "it is refused"
	ends "$us" "the pair of a UID that is alive"
	ends "$inside" "the pair in a namespace"
	[ "$(user_session "$LARS")" != "$us" ] || complain "there is no new pair"
	refused "Required key not available" ./as "$LARS" keyctl search @us user secret
	stays "$kept" "another's pair"

	write_to "$LINGER" 600
	leave_secret "$LARS" "lingers"
	us=$(user_session "$LARS")
	logout "$namespace"
	for process in $background; do
		! has_uid "$LARS" "$process" 2>/dev/null || logout "$process"
	done
	wait_for 10 state_is "$LARS" lingering || complain "it does not linger"
	write_to "$REAP" "$LARS" || complain "it is refused"
	ends "$us" "what lingers"
	wait_for 10 is_charged "$LARS" "" || complain "the quota is not given back"
	same "what is on record" "$(field "$LARS" state)" ""
	[ "$(counter reaped)" -ge 3 ] || complain "three pairs count as $(counter reaped)"
	expect_reaped "$LARS"
	unload
}

adopt_running() {
	login "$MONA"
	process=$last
	leave_secret "$MONA" "from before"
	us=$(user_session "$MONA")
	u=$(./as "$MONA" keyctl id @u)
	load
	# Nobody has asked for it.
	same "the state" "$(field "$MONA" state)" alive
	same "the serials" "$(field "$MONA" user) $(field "$MONA" session)" "$u $us"
	stays "$us" "the pair"
	logout "$process"
	ends "$us" "the pair"
	ends "$u" "the user keyring"
	wait_for 10 is_charged "$MONA" "" || complain "the quota is not given back"
	unload
}

adopt_later() {
	leave_secret "$NILS" "from before"
	leave_secret "$JOST" "from before"
	before=$(pair "$NILS")
	others=$(pair "$JOST")
	us=$(user_session "$NILS")
	load
	same "the state" "$(field "$NILS" state)" before
	same "the line" "$NILS: $(field "$NILS" user) $(field "$NILS" session)" "$before"
	same "tasks" "$(field "$NILS" tasks)" 0
	stays "$us" "the pair"
	login "$NILS"
	process=$last
	same_as_before "$NILS" "$before" "from before" "adopted"
	same "the state, adopted" "$(field "$NILS" state)" alive
	logout "$process"
	ends "$us" "the pair"
	# And who never came back has it yet.
	unload
	same_as_before "$JOST" "$others" "from before" "removed"
}

reap_before() {
	leave_secret "$BERT" "from before"
	leave_secret "$CORA" "from before"
	us=$(user_session "$BERT")
	u=$(./as "$BERT" keyctl id @u)
	others=$(pair "$CORA")
	load
	same "the state" "$(field "$BERT" state)" before
	write_to "$REAP" "$BERT" || complain "it is refused"
	ends "$us" "the pair"
	ends "$u" "the user keyring"
	wait_for 10 is_charged "$BERT" "" || complain "the quota is not given back"
	same "what is on record" "$(field "$BERT" state)" ""
	refused "No such file or directory" write_to "$REAP" "$BERT"
	expect_reaped "$BERT"
	same "another's state" "$(field "$CORA" state)" before
	unload
	same_as_before "$CORA" "$others" "from before" "removed"
}
