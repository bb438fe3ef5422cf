#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make distclean: empty the cache folder of what the commands made in it.

. "$(dirname "$0")/lib.sh"

become_root "$@"
for state in "$USK_CACHE"/[0-9]*.[0-9]*-??????????; do
	[[ -e $state/run ]] || continue
	[[ -z $(ls "$state/run") ]] ||
		die "$state is in use:" \
			"wait for the command that runs, or remove its leftovers in $state/run"
	remove "$state"
done
