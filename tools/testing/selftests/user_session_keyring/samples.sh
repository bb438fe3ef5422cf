#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The samples: each does what its head says, and refuses what is not meant to be
# done with it. In the guest, as root, with the module absent.
#
# Usage: samples.sh [--list]

cd "$(dirname "$0")" || exit
. ./functions.sh
. ./lifecycle.sh
. ./life.sh

# What others have at hand.
# shellcheck disable=SC2154

SAMPLES="rust_livepatch: rust_livepatch replaces a function until it is disabled
rust_fprobe: rust_fprobe counts each call of a function
rust_keyring: rust_keyring keeps a secret for each UID
rust_keyring_loaded: rust_keyring: the secret ends with the UID while the module is loaded
rust_task_counters: rust_task_counters: tasks from before and after loading, until they exit
anchor: anchor keeps a secret for processes of its UID, for a while
anchor_loaded: anchor: the secret ends with the UID while the module is loaded
anchor_usage: anchor says what is wrong with how it is called"

QUINN=5301
RALF=5302
SARA=5303
TOBY=5304
URSA=5305

SECRETS=/dev/rust_keyring
READS=/sys/kernel/debug/rust_task_counters/reads

insert() {
	insmod "./$1.ko" || complain "insmod $1 failed"
}

take_out() {
	wait_for 10 rmmod "$1" 2>/dev/null || complain "rmmod $1 failed: $(rmmod "$1" 2>&1)"
}

rust_livepatch() {
	sample=/sys/kernel/livepatch/rust_livepatch
	before=$(cat /proc/cmdline)
	insert rust_livepatch
	wait_for 30 holds "$sample/transition" 0 || complain "the transition does not end"
	same "/proc/cmdline, patched" "$(cat /proc/cmdline)" \
		"rust_livepatch: this has been live patched"
	refused "Resource temporarily unavailable" rmmod rust_livepatch
	echo 0 >"$sample/enabled"
	wait_for 30 missing "$sample" || complain "it cannot be disabled"
	take_out rust_livepatch
	same "/proc/cmdline, removed" "$(cat /proc/cmdline)" "$before"
}

rust_fprobe() {
	also_expected="^<6>rust_fprobe: cmdline_proc_show\\(\\) was called .*"
	cat /proc/cmdline >/dev/null
	insert rust_fprobe
	refused "File exists" insmod ./rust_fprobe.ko
	for _ in first second third; do
		cat /proc/cmdline >/dev/null
	done
	take_out rust_fprobe
	cat /proc/cmdline >/dev/null
	same "what it counted" "$(log_since_mark | sed -n 's/^<6>rust_fprobe: //p')" \
		"cmdline_proc_show() was called 3 times, and 0 calls were missed"
}

# write_secret UID TEXT
write_secret() {
	./as "$1" sh -c "printf '%s' '$2' >$SECRETS" || complain "UID $1 cannot write \"$2\""
}

secret_is() {
	same "what UID $1 reads" "$(./as "$1" cat "$SECRETS")" "$2"
}

# of_rust_keyring UID: the serial number of its key.
of_rust_keyring() {
	./as "$1" keyctl search @us user rust_keyring
}

rust_keyring() {
	insert rust_keyring
	login "$QUINN" "$RALF"
	refused "Permission denied" ./as "$QUINN" cat "$SECRETS"
	chmod 666 "$SECRETS"
	refused "Required key not available" ./as "$QUINN" cat "$SECRETS"

	write_secret "$QUINN" "hers"
	write_secret "$RALF" "his"
	write_secret "$QUINN" "hers, and a longer one"
	secret_is "$QUINN" "hers, and a longer one"
	secret_is "$RALF" "his"
	same "in pieces" "$(./as "$QUINN" dd "if=$SECRETS" bs=5 2>/dev/null)" \
		"hers, and a longer one"
	same "by keyctl" "$(./as "$RALF" keyctl print "$(of_rust_keyring "$RALF")")" "his"
	# It is @us that it looks into, whatever the session keyring is.
	same "in a session" "$(./as "$RALF" keyctl session - cat "$SECRETS" 2>/dev/null)" "his"
	refused "Required key not available" cat "$SECRETS"

	refused "File too large" ./as "$QUINN" dd if=/dev/zero "of=$SECRETS" bs=32768 count=1
	refused "Disk quota exceeded" ./as "$QUINN" dd if=/dev/zero "of=$SECRETS" bs=32767 count=1
	secret_is "$QUINN" "hers, and a longer one"
	./as "$QUINN" keyctl revoke "$(of_rust_keyring "$QUINN")"
	refused "Key has been revoked" ./as "$QUINN" cat "$SECRETS"
	write_secret "$QUINN" "a new one"
	secret_is "$QUINN" "a new one"
	./as "$RALF" keyctl setperm "$(of_rust_keyring "$RALF")" 0x3d010000
	refused "Permission denied" ./as "$RALF" cat "$SECRETS"

	# This shell would end with an exec that fails.
	exec 3<"$SECRETS"
	refused "Resource temporarily unavailable" rmmod rust_keyring
	exec 3<&-
	take_out rust_keyring
	same "without it" "$(./as "$QUINN" keyctl print "$(of_rust_keyring "$QUINN")")" \
		"a new one"
	./as "$QUINN" keyctl unlink %user:rust_keyring @us || complain "it cannot be ended"
	refused "Required key not available" of_rust_keyring "$QUINN"
}

# Without the module, the kernel keeps it.
rust_keyring_loaded() {
	insert rust_keyring
	chmod 666 "$SECRETS"
	login "$SARA"
	write_secret "$SARA" "before"
	logout "$last"
	let_others_die
	secret_is "$SARA" "before"

	load
	login "$SARA"
	secret_is "$SARA" "before"
	write_secret "$SARA" "while it is loaded"
	key=$(of_rust_keyring "$SARA")
	stays "$key" "the secret"
	logout "$last"
	ends "$key" "the secret"
	refused "Required key not available" ./as "$SARA" cat "$SECRETS"
	unload
	take_out rust_keyring
}

# start_reader: a shell, which is one task, and reads when it is told to.
start_reader() {
	mkfifo "$WORK/orders"
	# For both, so that nobody waits for the other to open it.
	exec 3<>"$WORK/orders"
	in_background sh -c "
		while read -r answer; do
			read -r line <$READS
			echo \"\$line\" >\"\$answer\"
		done <$WORK/orders"
	reader=$last
}

stop_reader() {
	logout "$reader"
	exec 3>&-
	rm "$WORK/orders"
}

# What the reader reads.
ask_reader() {
	rm -f "$WORK/answer"
	echo "$WORK/answer" >&3
	wait_for 10 test -s "$WORK/answer"
	cat "$WORK/answer"
}

rust_task_counters() {
	start_reader
	insert rust_task_counters
	same "a task from before" "$(ask_reader)" "1 by this task; tasks on record: 1"
	same "it, again" "$(ask_reader)" "2 by this task; tasks on record: 1"
	same "another" "$(cat "$READS")" "1 by this task; tasks on record: 2"
	same "a task from after" \
		"$(sh -c "for _ in 1 2; do read -r line <$READS; echo \"\$line\"; done")" \
		"1 by this task; tasks on record: 2
2 by this task; tasks on record: 2"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		in_background cat "$READS" "$READS"
	done >/dev/null
	for pid in $background; do
		[ "$pid" = "$reader" ] || wait "$pid"
	done
	same "a task from before, after others" "$(ask_reader)" \
		"3 by this task; tasks on record: 1"

	refused "Permission denied" ./as "$QUINN" cat "$READS"
	refused "Invalid argument" sh -c "echo 0 >$READS"
	take_out rust_task_counters
	insert rust_task_counters
	same "loaded anew" "$(ask_reader)" "1 by this task; tasks on record: 1"
	stop_reader
	same "all others are gone" "$(cat "$READS")" "1 by this task; tasks on record: 1"
	take_out rust_task_counters
}

# start_daemon UID SECRET NAME SECONDS [COMMAND]: COMMAND is to run it.
start_daemon() {
	echo "$2" >"$WORK/secret"
	: >"$WORK/said"
	: >"$WORK/errors"
	chown "$1" "$WORK/secret" "$WORK/said" "$WORK/errors"
	in_background ./as "$1" sh -c "
		exec $5 ./anchor keep $3 $4 <$WORK/secret >$WORK/said 2>$WORK/errors"
	wait_for 10 holds "$WORK/said" "anchor: $3 is kept for $4 seconds" ||
		complain "the daemon does not start: $(cat "$WORK/errors")"
}

token_is() {
	same "what UID $1 is told" "$(./as "$1" ./anchor get token)" "$2"
}

has_expired() {
	./as "$1" ./anchor get brief 2>&1 | grep -q "^anchor: brief: it has expired\$"
}

anchor() {
	login "$TOBY"
	refused "token: nothing is kept under this name" ./as "$TOBY" ./anchor get token
	start_daemon "$TOBY" "hunter2" token 3600
	token_is "$TOBY" "hunter2"
	refused "token: nothing is kept under this name" ./as "$QUINN" ./anchor get token
	same "in a session" \
		"$(./as "$TOBY" keyctl session - ./anchor get token 2>/dev/null)" "hunter2"
	same "by keyctl" "$(./as "$TOBY" keyctl pipe %user:anchor:token)" "hunter2"
	logout "$last"
	token_is "$TOBY" "hunter2"
	start_daemon "$TOBY" "hunter3" token 3600
	token_is "$TOBY" "hunter3"
	logout "$last"
	# One with a session keyring of its own that does not lead to @us.
	start_daemon "$TOBY" "hunter4" token 3600 "keyctl session -"
	token_is "$TOBY" "hunter4"
	logout "$last"
	token_is "$TOBY" "hunter4"
	start_daemon "$TOBY" "not for long" brief 1
	wait_for 10 has_expired "$TOBY" || complain "the secret does not expire"
	token_is "$TOBY" "hunter4"
}

# Without the module, the kernel keeps it.
anchor_loaded() {
	start_daemon "$URSA" "before" token 3600
	logout "$last"
	let_others_die
	token_is "$URSA" "before"

	load
	start_daemon "$URSA" "while it is loaded" token 3600
	token_is "$URSA" "while it is loaded"
	key=$(./as "$URSA" keyctl search @us user anchor:token)
	stays "$key" "the secret"
	logout "$last"
	ends "$key" "the secret"
	refused "token: nothing is kept under this name" ./as "$URSA" ./anchor get token
	unload
}

anchor_usage() {
	refused "usage: anchor keep NAME SECONDS" ./anchor
	refused "usage: anchor keep NAME SECONDS" ./anchor get
	refused "0: not a number of seconds" ./anchor keep token 0
	refused "soon: not a number of seconds" ./anchor keep token soon
	refused "there is no secret on the standard input" \
		sh -c "./anchor keep token 1 </dev/null"
}

run_tests sample "$SAMPLES" "$1"
