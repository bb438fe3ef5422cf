# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What CONTRIBUTING.md says to gdb, from its text: on a guest of make shell, and on a dump of it.

. "$SRC/tools/debug.sh"

test_gdb() {
	local dir found=$RUN/commands-of-gdb
	dir=$(results gdb)
	need_kernel stock
	need_gdb
	stage "gdb: find what the pages say" find_commands "$found"
	{
		echo "the memory is dumped"
		names_of "$found"/{gdb,dump}/*.sh
	} > "$dir/expected"
	stage "gdb: run it on a guest" debug_guest "$dir" "$found"
}

# Somebody looks up keyrings there all the time.
debug_guest() {
	local dir=$1 found=$2 script guest tries=6000
	echo "1..$(wc -l < "$dir/expected")" > "$dir/tap"
	echo > "$dir/numbers"
	unshare --mount --pid --kill-child --mount-proc \
		"$SRC/tools/testing/host/on_terminal" 'ends the guest' \
		"while :; do su alice -c 'keyctl id @us'; done" \
		"$SRC/tools/shell.sh" --gdb > "$dir/terminal" 2>&1 < /dev/null &
	guest=$!
	until grep -q 'ends the guest' "$dir/terminal"; do
		if ((tries-- == 0)) || ! kill -0 "$guest"; then
			kill -KILL "$guest" || true
			tail -n 20 "$dir/terminal"
			return 1
		fi
		sleep 0.1
	done
	for script in "$found"/gdb/*.sh; do
		tell_gdb "$script"
	done
	tell "the memory is dumped" "$SRC/tools/dump.sh"
	for script in "$found"/dump/*.sh; do
		tell_gdb "$script" --dump
	done
	end_guest
	wait "$guest" || true
	echo ok > "$dir/status"
}

# As by itself, so that nothing is left behind.
end_guest() {
	in_root python3 -B - "$(inside "$(debuggee)")" <<-'END'
		import pathlib, sys
		sys.path.insert(0, "/mnt/src/tools")
		import memory
		memory.Monitor(pathlib.Path(sys.argv[1]) / "monitor").execute("quit")
	END
}

# tell NAME COMMAND...
tell() {
	local name=$1 log=$RUN/gdb.log number
	number=$(wc -l < "$dir/numbers")
	echo >> "$dir/numbers"
	shift
	"$@" > "$log" 2>&1 < /dev/null || { sed 's/^/# /' "$log"; printf 'not '; }
	sed 's/^/# /' "$log" >> "$dir/said"
	echo "ok $number - $name"
} >> "$dir/tap"

tell_gdb() {
	local script=$1
	shift
	tell "$(names_of "$script")" \
		timeout 300 "$SRC/tools/gdb.sh" "$@" -batch -x "$(inside "$script")"
}
