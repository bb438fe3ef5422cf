#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make run: show the stock kernel hand its look-up over to the module, and take it back.

. "$(dirname "$0")/commands.sh" "$@"

start=$(now)
need_root
need_kernel stock
need_module stock "$RUN/payload"
cp "$SRC/tools/guest/demo.sh" "$RUN/payload/run"
choose_accelerator

echo "boot: $RELEASE as Debian ships it, in QEMU ($ACCEL)"
shown() {
	vm "$@" | tee "$RUN/output"
}
job shown "$RUN/vm" stock "$RUN/payload" 300 "$ACCEL"
finish_job

case $(< "$RUN/vm/status") in
hung* | died* | unfit* | complained*) explain_guest "$RUN/vm" ;;
esac
if [[ $(< "$RUN/vm/status") = ok ]] &&
	tail -n 1 "$RUN/output" | grep -Eq '^[0-9]+ checks, all held$'; then
	echo "All of it held ($(since "$start") s)."
	exit 0
fi
echo "Not all of it held ($(since "$start") s)."
exit 1
