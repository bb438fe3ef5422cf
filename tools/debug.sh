# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A guest for debuggers, and gdb. To be sourced.

# Who does not debug never needs it.
need_gdb() {
	[[ -x $ROOT/usr/bin/gdb ]] ||
		stage "gdb: install into the build root" \
			locked root install_packages gdb
}

# need_debug_module PAYLOAD [VARIABLE=VALUE...]: the module for the stock kernel, and in it the
# names, types and lines of its sources. It stays in $STATE/build/gdb. The guest is to say where it
# puts it.
need_debug_module() {
	stage "module: build with debug information" \
		locked build-gdb build_module gdb stock "$1" KRUSTFLAGS=-g KCFLAGS=-g "${@:2}"
	touch "$1/debug"
}

# make_debuggable DIR: before there is a guest.
make_debuggable() {
	mkdir -p "$1"
	touch "$1/followed"
}

# debuggee: the folder of the guest that runs; of several, the youngest.
debuggee() {
	local socket
	socket=$(find "$STATE/run" -name gdb -type s -printf '%T@ %p\n' | sort -rn |
		sed 's/^[^ ]* //; q')
	[[ -n $socket ]] ||
		die "there is no guest to be debugged: run make shell GDB=1 in another terminal"
	dirname "$socket"
}

# run_gdb DIR TARGET [ARGUMENT...]: gdb on a guest or a dump of it, with the module's symbols.
run_gdb() {
	local dir=$1 target=$2 sections module=/mnt/cache/build/gdb
	shift 2
	sections=$(sed -n 's/.* section \(\.[a-z.]*\) at \(0x[0-9a-f]*\)\r*$/-s \1 \2/p' \
		"$dir/console.log" | tr '\n' ' ')
	[[ -n $sections ]] || die "the module is not loaded in that guest: load it, and try again"
	in_root gdb -q -iex 'set confirm off' -iex 'set pagination off' \
		-iex 'set language rust' \
		-ex "directory $module" -ex "$target" \
		-ex "add-symbol-file $module/rust/user_session_keyring.ko $sections" "$@"
}
