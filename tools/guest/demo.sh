#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What make run shows in the guest: the same keyrings from the kernel's own code, from the module,
# and from the kernel's own code again; and what becomes of them when their user logs out. Every
# line that says ok is a check.

# Names and serial numbers hold no space, and an answer is compared with a pattern.
# shellcheck disable=SC2086,SC2254

patch=/sys/kernel/livepatch/user_session_keyring
stats=/sys/kernel/debug/user_session_keyring/stats
users='root alice bob'
state=/tmp/demo
checks=0
failures=0

# as USER COMMAND
as() {
	su "$1" -s /bin/sh -c "$2"
}

# What $stats says of the counters named.
counters() {
	for name; do
		awk -v name="$name" '$1 == name { print $2 }' $stats
	done | tr '\n' ' '
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

knows_secret() {
	[ "$(as carol 'keyctl pipe %user:secret' 2>&1)" = hunter2 ]
}

# No keys are charged to carol's quota.
has_nothing() {
	! grep -q '^ *1002:' /proc/key-users
}

gone() {
	! knows_secret && until_true has_nothing
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

# The serials of @us and @u, then what is linked in them.
remember() {
	for user in $users; do
		as $user 'keyctl id @us; keyctl id @u
			for ring in @us @u; do
				keyctl rlist $ring | tr " " "\n" | sort
			done' > $state/$user.$1
	done
}

same() {
	[ -s "$1" ] && cmp -s "$1" "$2"
}

serial_of() {
	head -n 1 "$state/$1"
}

# through USER COMMAND PATTERN: it prints what the pattern says, and the counters show Rust at work.
through() {
	before=$(counters hits misses rcu_hits rcu_misses)
	output=$(as "$1" "$2" 2>&1)
	evidence=$(echo "$before$(counters hits misses rcu_hits rcu_misses)" | awk '{
		split("hits misses rcu_hits rcu_misses", name)
		for (i = 1; i <= 4; i++)
			if ($(i + 4) > $i)
				printf " %s+%d", name[i], $(i + 4) - $i
	}')
	check "$(printf '%-6s %-40s%s' "$1" "$2" "$evidence")" answered "$3"
}

answered() {
	case $output in
	$1) [ -n "$evidence" ] && return ;;
	esac
	echo "          the answer was: $output" | head -n 1
	return 1
}

mkdir $state
echo "  up after $(cut -d ' ' -f 1 /proc/uptime) s: Linux $(uname -r)"

stage "Before: the kernel's own code"
for user in $users; do
	as $user "keyctl add user old:$user older-than-the-module:$user @us" > $state/$user.old
done
for user in alice bob; do
	# Until logout.
	as $user 'exec sleep 10000' &
	logins="$logins $!"
done
remember before
for user in $users; do
	{ read -r us; read -r u; } < $state/$user.before
	printf '          %-6s @us %-10s @u %-10s and in @us the key %s\n' \
		$user "$us" "$u" "$(serial_of $user.old)"
done
as carol 'keyctl add user secret hunter2 @us; keyctl id @us' > $state/carol.before
check "carol  logged out, and her secret is still there" knows_secret
stage_end

stage "insmod user_session_keyring.ko"
check "loaded" insmod user_session_keyring.ko
check "transition complete" until_true settled
[ $failures = 0 ] || end
stage_end

stage "The same keyrings, from Rust"
for user in $users; do
	through $user 'keyctl id @us' "$(serial_of $user.before)"
done
check "three pairs adopted, none created" [ "$(counters adoptions creations)" = "3 0 " ]
stage_end

stage "At work"
for user in $users; do
	through $user "keyctl add user new:$user from-Rust:$user @us" '[0-9]*'
	echo "$output" > $state/$user.new
	through $user 'keyctl show @us' "*_uid_ses.*user: new:$user*"
	through $user "keyctl search @us user old:$user" "$(serial_of $user.old)"
	through $user 'keyctl id @s' "$(serial_of $user.before)"
	through $user "keyctl request user new:$user" "$(serial_of $user.new)"
	through $user "keyctl link $(serial_of $user.new) @u" ''
	through $user "keyctl search @u user new:$user" "$(serial_of $user.new)"
	# A session of one's own reaches @us through a link.
	linked="keyctl link @us @s; keyctl search @s user new:$user"
	through $user "keyctl session - sh -c '$linked'" "*$(serial_of $user.new)"
done
check "no errors" [ "$(counters errors)" = "0 " ]
remember during
stage_end

stage "Logout"
output=$(as carol 'keyctl id @us')
check "carol  logs in, and @us is $output, of before" \
	[ "$output" = "$(tail -n 1 $state/carol.before)" ]
check "carol  logs out, and nothing is left of her" until_true has_nothing
check "carol  logs in, and her secret is gone" gone
check "alice  and bob are logged in, and theirs are there" [ "$(counters records)" = "3 " ]
stage_end

stage "Disable, rmmod"
echo 0 > $patch/enabled
check "the kernel's own code is back" until_true unpatched
check "unloaded" until_true rmmod user_session_keyring
stage_end

stage "After: the kernel's own code"
remember after
for user in $users; do
	us=$(serial_of $user.after)
	check "$(printf '%-6s @us is %s, the same; so are @u and all links' $user "$us")" \
		same $state/$user.during $state/$user.after
	check "$(printf '%-6s @us and @u are those of before' $user)" \
		[ "$(head -n 2 $state/$user.after)" = "$(head -n 2 $state/$user.before)" ]
	for age in old new; do
		content=$(as $user "keyctl print $(serial_of $user.$age)")
		check "$(printf '%-6s %s: %s' $user $age "$content")" [ "${content#*:}" = $user ]
	done
done
stage_end
end
