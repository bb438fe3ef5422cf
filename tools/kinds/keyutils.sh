# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The test suite of keyutils, without the module and with it.

. "$SRC/tools/keyutils.sh"

# need_suite KIND: have the suite in its payload, and a root to run it in.
need_suite() {
	need_keyutils
	stage "keyutils: a root for the suite" make_world "$RUN/$1/world"
}

test_keyutils() {
	need_suite keyutils
	test_payload keyutils stock keyutils.sh 600 1800
}

# The one test that takes longer than the others together has a guest to itself. A third of its time
# the kernel would clear memory that is written to next.
test_keyutils_limits() {
	need_suite keyutils-limits
	touch "$RUN/keyutils-limits/limits"
	test_payload keyutils-limits stock keyutils.sh 3000 3000 init_on_alloc=0
}
