# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the documentation says to type, from its text: tools/commands_in_docs.py has the rules.

# find_commands FOLDER: scripts of them, in a folder for each place. Whether all have one is a test.
find_commands() {
	in_root python3 /mnt/src/tools/commands_in_docs.py /mnt/src "$(inside "$1")" \
		2> "$1.problems" || [[ -s $1.problems ]]
}

names_of() {
	awk 'FNR == 1 { sub(/^# /, ""); print }' "$@"
}

test_commands() {
	local dir found=$RUN/commands
	dir=$(results commands)
	need_kernel stock
	need_source
	stage "commands: find them in the pages" find_commands "$found"
	{
		echo "every command has a place"
		names_of "$found"/{host,build}/*.sh
	} > "$dir/expected"
	stage "commands: run those for the host" run_commands "$dir" "$found"
}

# In a copy of the checkout.
run_commands() {
	local dir=$1 found=$2 script number=1
	mkdir -p "$RUN/empty/7.3-0123456789/run" "$RUN/results-of-conformance/end-to-end"
	sed -n '/^\.\. begin/,/^\.\. end/s/^/#| /p' "$SRC/Documentation/conformance.rst" |
		sed '1,2d; $d' > "$RUN/results-of-conformance/end-to-end/tap"
	locked build-commands sync_sources commands
	{
		echo "1..$(wc -l < "$dir/expected")"
		[[ ! -s $found.problems ]] || { sed 's/^/# /' "$found.problems"; printf 'not '; }
		echo "ok 1 - every command has a place"
		for script in "$found"/{host,build}/*.sh; do
			number=$((number + 1))
			"run_for_$(basename "$(dirname "$script")")" "$script" \
				> "$script.log" 2>&1 ||
				{ tail -n 40 "$script.log" | sed 's/^/# /'; printf 'not '; }
			echo "ok $number - $(names_of "$script")"
		done
	} > "$dir/tap"
	echo ok > "$dir/status"
}

# Whatever ends this ends all that the script has started. It knows of no settings but those that
# say where things are.
run_for_host() {
	unshare --mount --pid --kill-child --mount-proc \
		env -i -C "$STATE/build/commands" PATH="$SRC/tools/testing/host:$PATH" \
		HOME="$HOME" TERM=dumb USK_CACHE="$USK_CACHE" KERNEL_SERIES="$KERNEL_SERIES" \
		KERNEL_PIN="$KERNEL_PIN" FLAVOUR="${FLAVOUR-}" MIRROR="$MIRROR" ACCEL="$ACCEL" \
		EMPTY="$RUN/empty" FOLDER="$RUN/results-of-conformance" \
		bash -eux "$1" < /dev/null
}

# In the build root, as if it were a machine that the prepared kernel runs on.
run_for_build() {
	in_root bash -euc '
		mkdir /tmp/bin
		cat > /tmp/bin/uname <<-END
			#!/bin/sh
			[ "\$*" = -r ] && echo "$1" || exec /usr/bin/uname "\$@"
		END
		chmod +x /tmp/bin/uname
		busybox mount -t tmpfs none "/usr/lib/modules/$1"
		ln -s "/mnt/cache/$3" "/usr/lib/modules/$1/build"
		cd /mnt/cache/build/commands
		PATH=/tmp/bin:$PATH exec bash -eux "$2"
	' -- "$RELEASE" "$(inside "$1")" "$(tree stock)"
}

test_commands_guest() {
	local found=$RUN/commands-in-guest
	stage "commands: find them in the pages" find_commands "$found"
	mkdir -p "$RUN/commands-guest"
	cp -r "$found/guest" "$RUN/commands-guest/commands.d"
	need_daemon "$RUN/commands-guest"
	SAMPLES=m test_payload commands-guest stock commands.sh 600 600
}
