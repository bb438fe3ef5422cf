#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make shell: a prompt in the stock kernel with the module loaded, and with SAMPLES=m the samples at
# hand.
# Usage: shell.sh [--gdb], so that make gdb and make dump can be used on it

. "$(dirname "$0")/commands.sh" "$@"
. "$SRC/tools/daemon.sh"
. "$SRC/tools/debug.sh"

[[ -t 0 || -n ${DRY_RUN-} ]] || die "make shell needs a terminal: run it from one"
need_root
need_kernel stock
[[ -z ${SAMPLES-} ]] || need_daemon "$RUN/payload"
# Where addresses are drawn anew each time, breakpoints are of no use the next time.
if [[ ${1-} = --gdb ]]; then
	need_debug_module "$RUN/payload" ${SAMPLES:+SAMPLES="$SAMPLES"}
	make_debuggable "$RUN/vm"
	append=(usk.shell nokaslr)
else
	need_module stock "$RUN/payload" ${SAMPLES:+SAMPLES="$SAMPLES"}
	append=(usk.shell)
fi
cp "$SRC/tools/usk-status" "$RUN/payload/"
cp "$SRC/tools/guest/shell.sh" "$RUN/payload/run"
choose_accelerator
qemu "$RUN/vm" stock "$RUN/payload" 1d "$ACCEL" "${append[@]}" || true
