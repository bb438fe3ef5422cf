# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# UIDs that live and die while something else is done, whoever answers them: two who stay, and
# many who visit. Each checks all that it is answered.

# What functions.sh has at hand.
# shellcheck disable=SC2154

# For this file alone.
STAYING="30000 31000"
VISITORS=32000
INHABITANTS=33000
FLICKERING=34000

visit() {
	./storms visits 40 20 "$VISITORS" && ./storms namespaces 20 "$INHABITANTS" &&
		./flicker 400 6 "$FLICKERING" stay
}

# Until it is enough.
keep_visiting() {
	visits=0
	while [ ! -e "$WORK/enough" ]; do
		visit >"$WORK/visit" 2>&1 || return
		visits=$((visits + 1))
		echo "$visits" >"$WORK/visits"
	done
}

# under_load COMMAND...: and nothing may be lost meanwhile.
under_load() {
	rm -f "$WORK/enough" "$WORK/visits"
	hammers=
	for uid in $STAYING; do
		: >"$WORK/rounds.$uid"
		chown "$uid" "$WORK/rounds.$uid"
		in_background ./as "$uid" ./hammer "$WORK/rounds.$uid"
		hammers="$hammers $last"
	done
	keep_visiting &
	visitor=$!
	"$@"
	: >"$WORK/enough"
	wait "$visitor" || complain "visits: $(grep '^#' "$WORK/visit" | head -n 5)"
	for pid in $hammers; do
		kill "$pid"
		wait "$pid" || complain "a process of a living UID ended with status $?"
	done
	for uid in $STAYING; do
		met "rounds of UID $uid" "$(cat "$WORK/rounds.$uid")"
	done
	met "visits" "$(cat "$WORK/visits")"
	note "those who stayed: $(cd "$WORK" && cat rounds.* | tr '\n' ' ')rounds; 40 visits," \
		"20 namespaces, 400 flickers: $(cat "$WORK/visits") times"
}
