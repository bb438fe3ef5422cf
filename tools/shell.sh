#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make shell: a prompt in the stock kernel with the module loaded, and with SAMPLES=m the samples at
# hand.

. "$(dirname "$0")/commands.sh" "$@"
. "$SRC/tools/daemon.sh"

[[ -t 0 ]] || die "make shell needs a terminal: run it from one"
need_root
need_kernel stock
[[ -z ${SAMPLES-} ]] || need_daemon "$RUN/payload"
need_module stock "$RUN/payload" ${SAMPLES:+SAMPLES="$SAMPLES"}
cp "$SRC/tools/guest/shell.sh" "$RUN/payload/run"
choose_accelerator
qemu "$RUN/vm" stock "$RUN/payload" 1d "$ACCEL" usk.shell || true
