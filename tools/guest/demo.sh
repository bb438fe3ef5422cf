#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What make run shows in the guest: the same keyrings from the kernel's own code, from the module, and
# from the kernel's own code again. Every line that says ok is a check.

patch=/sys/kernel/livepatch/user_session_keyring
stats=/sys/kernel/debug/user_session_keyring/stats
users='root alice bob'
state=/tmp/demo
checks=0
failures=0

as() {
	user=$1
	shift
	su "$user" -s /bin/sh -c "$*"
}

counter() {
	awk -v name="$1" '$1 == name { print $2 }' $stats
}

answers() {
	echo $(($(counter hits) + $(counter misses)))
}

hundredths() {
	awk '{ printf "%d", $1 * 100 }' /proc/uptime
}

stage() {
	stage_start=$(hundredths)
	echo
	echo "$*"
}

stage_end() {
	awk -v t=$(($(hundredths) - stage_start)) 'BEGIN { printf "  %.1f s\n", t / 100 }'
}

# check TEXT COMMAND...
check() {
	text=$1
	shift
	checks=$((checks + 1))
	if "$@"; then
		echo "  ok      $text"
	else
		failures=$((failures + 1))
		echo "  FAILED  $text"
	fi
}

# Wait for a condition, at most 60 s.
until_true() {
	tries=600
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

settled() {
	[ "$(cat $patch/transition)" = 0 ]
}

unpatched() {
	[ ! -e $patch ]
}

end() {
	echo
	if [ $failures = 0 ]; then
		echo "$checks checks, all held"
		exit 0
	fi
	echo "$failures of $checks checks FAILED"
	exit 1
}

# The serials of @us and @u, then what is linked in @us.
remember() {
	for user in $users; do
		as $user 'keyctl id @us; keyctl id @u; keyctl rlist @us | tr " " "\n" | sort' > $state/$user.$1
	done
}

same() {
	[ -s "$1" ] && cmp -s "$1" "$2"
}

# through USER TEXT COMMAND: its answer must come from Rust, and its output is in $output.
through() {
	user=$1 text=$2 before=$(answers)
	shift 2
	if output=$(as "$user" "$@" 2>&1); then
		set -- $(($(answers) - before))
		check "$(printf '%-6s %-38s %2d answered by Rust' "$user" "$text" "$1")" [ "$1" -gt 0 ]
	else
		check "$user $text: $output" false
	fi
}

in_us() {
	as "$1" keyctl rlist @us | tr ' ' '\n' | grep -qx "$2"
}

mkdir $state
echo "  up after $(cut -d ' ' -f 1 /proc/uptime) s: Linux $(uname -r)"

stage "Before: the kernel's own code"
for user in $users; do
	as $user keyctl add user old:$user "older than the module, $user" @us > $state/$user.old
done
remember before
for user in $users; do
	{ read -r us; read -r u; } < $state/$user.before
	printf '  %-6s  @us %-10s  @u %-10s  with a key of its own in @us\n' $user "$us" "$u"
done
stage_end

stage "insmod user_session_keyring.ko"
check "loaded" insmod user_session_keyring.ko
check "transition complete" until_true settled
[ $failures = 0 ] || end
stage_end

stage "The same keyrings, from Rust"
for user in $users; do
	through $user 'keyctl id @us' keyctl id @us
	check "$(printf '%-6s @us is %s, as before' $user "$output")" [ "$output" = "$(head -n 1 $state/$user.before)" ]
done
check "3 pairs adopted, none created" [ "$(counter adoptions) $(counter creations)" = "3 0" ]
stage_end

stage "At work"
errors=$(counter errors)
for user in $users; do
	through $user 'keyctl add user new:... @us' keyctl add user new:$user "from Rust, $user" @us
	echo "$output" > $state/$user.new
	through $user 'keyctl show @us' keyctl show @us
	check "$user   shows _uid_ses and both keys" \
		sh -c 'case $1 in *_uid_ses.*old:*new:*|*_uid_ses.*new:*old:*) ;; *) exit 1 ;; esac' sh "$output"

	from_record=$(counter rcu_hits)
	through $user 'keyctl request user new:..., @s' "keyctl request user new:$user && keyctl id @s"
	check "$user   found it, without a session keyring" \
		[ "$output" = "$(cat $state/$user.new; head -n 1 $state/$user.before)" ]
	check "$user   request_key's own search: $(($(counter rcu_hits) - from_record)) from the record" \
		[ "$(counter rcu_hits)" -gt "$from_record" ]

	through $user 'keyctl link (new) @u' keyctl link "$(cat $state/$user.new)" @u
	through $user 'keyctl search @u' keyctl search @u user new:$user
	check "$user   finds the linked key there" [ "$output" = "$(cat $state/$user.new)" ]
	through $user 'keyctl add user u:... @u' keyctl add user u:$user x @u
	through $user 'keyctl link (u:) @s' keyctl link "$output" @s
	check "$user   @s was @us: linked there" in_us $user "$(as $user keyctl search @u user u:$user)"
done
check "no errors" [ "$(counter errors)" = "$errors" ]
remember during
stage_end

stage "Disable, rmmod"
echo 0 > $patch/enabled
check "the kernel's own code is back" until_true unpatched
check "unloaded" until_true rmmod user_session_keyring
stage_end

stage "After: the kernel's own code"
remember after
for user in $users; do
	check "$(printf '%-6s @us is %s, the same; so are @u and all links' $user "$(head -n 1 $state/$user.after)")" \
		same $state/$user.during $state/$user.after
	check "$(printf '%-6s older key: %s' $user "$(as $user keyctl print "$(cat $state/$user.old)")")" \
		[ "$(as $user keyctl print "$(cat $state/$user.old)")" = "older than the module, $user" ]
	check "$(printf '%-6s newer key: %s' $user "$(as $user keyctl print "$(cat $state/$user.new)")")" \
		[ "$(as $user keyctl print "$(cat $state/$user.new)")" = "from Rust, $user" ]
done
stage_end
end
