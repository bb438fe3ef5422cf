#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make shell: a prompt in the stock kernel with the module loaded.

. "$(dirname "$0")/commands.sh" "$@"

[[ -t 0 ]] || die "make shell needs a terminal: run it from one"
need_root
need_kernel stock
need_module stock "$RUN/payload"
cp "$SRC/tools/guest/shell.sh" "$RUN/payload/run"
choose_accelerator
qemu "$RUN/vm" stock "$RUN/payload" 1d "$ACCEL" usk.shell || true
