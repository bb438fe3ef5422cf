# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The test suite of keyutils, without the module and with it.

. "$SRC/tools/keyutils.sh"

test_keyutils() {
	need_keyutils
	stage "keyutils: a root for the suite" make_world "$RUN/keyutils/world"
	test_payload keyutils stock keyutils.sh 600 3600
}
