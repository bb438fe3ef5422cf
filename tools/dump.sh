#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make dump: the memory and the registers of the guest of make shell GDB=1.

. "$(dirname "$0")/commands.sh" "$@"
. "$SRC/tools/debug.sh"

need_root
dir=$(debuggee)
need_space 2000
mkdir -p "$STATE/dump"
stage "memory: dump" in_root python3 /mnt/src/tools/memory.py --dump \
	"$(inside "$dir")" "$(inside "$STATE/dump/memory")"
cp "$dir/console.log" "$STATE/dump/"
echo "the dump: $STATE/dump/memory; make gdb DUMP=1 reads it"
