# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The samples, in the stock kernel.

. "$SRC/tools/daemon.sh"

test_samples() {
	need_daemon "$RUN/samples"
	SAMPLES=m test_payload samples stock samples.sh 900 900
}
