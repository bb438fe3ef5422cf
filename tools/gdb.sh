#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make gdb: a debugger for the guest of make shell GDB=1, or for a dump of it.
# Usage: gdb.sh [--dump] [ARGUMENT OF GDB]...

. "$(dirname "$0")/commands.sh" "$@"
. "$SRC/tools/debug.sh"

need_root
if [[ ${1-} = --dump ]]; then
	shift
	[[ -e $STATE/dump/memory ]] || die "there is no dump: run make dump"
	dir=$STATE/dump target="target core /mnt/cache/dump/memory"
else
	dir=$(debuggee)
	target="target remote $(inside "$dir")/gdb"
fi
need_gdb
# Control-C is gdb's.
trap : INT
run_gdb "$dir" "$target" "$@"
