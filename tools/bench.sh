#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make bench: measure what look-ups cost, and write it into Documentation/performance.rst.

. "$(dirname "$0")/commands.sh" "$@"

PAGE=Documentation/performance
results=$STATE/bench

need_root
SIZE=full RESULTS=$results "$SRC/tools/test.sh" bench trace rate
cp "$SRC/$PAGE.rst" "$RUN/"
in_root python3 /mnt/src/tools/bench.py "$(inside "$RUN")/performance.rst" \
	"$(inside "$RUN")/performance.svg" "$(inside "$results")"
cp "$RUN"/performance.{rst,svg} "$SRC/Documentation/"
echo "written: $PAGE.rst, $PAGE.svg"
