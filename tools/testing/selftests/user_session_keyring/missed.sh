# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Deaths that the probe of free_uid() does not see. As in lifecycle.sh, each test starts and ends
# without the module. Users and keys are told as in life.sh.

# In seconds: what is promised, and two for the guest to be slow.
MISSED_BOUND=12
ORDINARY=20

MISSED="notice: $ORDINARY deaths are noticed, and one that the probe missed is found
come_back: who comes back after such a death finds the pair, and ends as usual"

list_missed() {
	list_tests "missed deaths" "$MISSED"
}

missed() {
	play_tests "missed deaths" "$MISSED"
}

# For this file alone.
OLGA=5201
PAUL=5202
ordinary=620000000

deaths() {
	echo "deaths $(counter deaths), missed $(counter missed)"
}

# expect_deaths DEATHS MISSED: since deaths_before and missed_before were noted.
expect_deaths() {
	same "$3" "$(deaths)" "deaths $((deaths_before + $1)), missed $((missed_before + $2))"
}

note_deaths() {
	deaths_before=$(counter deaths)
	missed_before=$(counter missed)
}

pins_are() {
	[ "$(field "$1" pins)" = "$2" ]
}

hundredths() {
	awk '{ printf "%d", $1 * 100 }' /proc/uptime
}

# die_unnoticed UID: it makes a pair, and then all that pins it goes, the last without free_uid().
die_unnoticed() {
	login "$1"
	# shellcheck disable=SC2154 # login says it
	process=$last
	leave_secret "$1" "unnoticed"
	before=$(pair "$1")
	us=$(user_session "$1")
	insmod ./test_missed_death.ko "pid=$process" || complain "the UID cannot be pinned"
	logout "$process"
	wait_for 10 pins_are "$1" 1 || complain "others pin the UID as well"
	stays "$us" "the pair of a UID that is pinned"
	note_deaths
	rmmod test_missed_death || complain "the UID cannot be let go of"
}

notice() {
	load
	note_deaths
	count=0
	while [ "$count" -lt "$ORDINARY" ] && no_complaints; do
		count=$((count + 1))
		ordinary=$((ordinary + 1))
		leave_secret "$ordinary" "ordinary"
		wait_for 10 is_charged "$ordinary" "" || complain "death $count was not noticed"
	done
	expect_deaths "$ORDINARY" 0 "ordinary deaths"

	die_unnoticed "$OLGA"
	since=$(hundredths)
	wait_for 30 is_charged "$OLGA" "" || complain "the quota is not given back"
	took=$(($(hundredths) - since))
	is_freed "$us" || complain "@us is still there"
	same "the record" "$(field "$OLGA" uid)" ""
	expect_deaths 1 1 "the death that was missed"
	note "found after $took hundredths of a second"
	[ "$took" -le $((MISSED_BOUND * 100)) ] || complain "it took too long to be found"
	unload
}

come_back() {
	load
	die_unnoticed "$PAUL"
	login "$PAUL"
	same_as_before "$PAUL" "$before" "unnoticed" "back"
	expect_deaths 0 0 "back"
	logout "$last"
	ends "$us" "the pair of who came back"
	expect_deaths 1 0 "the end"
	unload
}
