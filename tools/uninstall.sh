#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make uninstall: hand the keyrings back to the kernel, and take away all that make install put
# there, of each version.
# Usage: uninstall.sh [--files], which leaves the loaded module and what was made for its build
#
# Its own file is among those that go, hence the function around all of it.

set -euo pipefail
shopt -s inherit_errexit

NAME=user_session_keyring
PATCH=/sys/kernel/livepatch/$NAME

die() {
	echo "error: $*" >&2
	exit 1
}

# wait_for COMMAND...: until it succeeds, but not for ever.
wait_for() {
	local _
	for _ in {1..600}; do
		! "$@" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}

unpatched() {
	[[ ! -e $PATCH ]]
}

# A livepatch cannot go before each task has left its functions.
unload() {
	[[ -e /sys/module/$NAME ]] || return 0
	unpatched || echo 0 > "$PATCH/enabled"
	wait_for unpatched || die "the livepatch is still in transition: try again later"
	wait_for rmmod "$NAME" || die "rmmod $NAME fails, something holds it: try again later"
}

remove_files() {
	local copy file version
	if command -v dkms > /dev/null; then
		for version in $(dkms status "$NAME" | sed "s|^$NAME/||; s|[,:].*||" | sort -u); do
			dkms remove "$NAME/$version" --all
		done
	fi
	for copy in "/usr/src/$NAME"-*; do
		[[ -e $copy/installed ]] || continue
		while read -r file; do
			rm -f "$file"
		done < "$copy/installed"
		rm -rf "$copy"
	done
}

main() {
	[[ $EUID = 0 ]] || die "make uninstall: only root may, try sudo make uninstall"
	if [[ ${1-} = --files ]]; then
		remove_files
		exit
	fi
	# In a chroot the module that is loaded is somebody else's.
	! [[ / -ef /proc/1/root ]] || unload
	remove_files
	rm -rf "/var/cache/$NAME"
	exit
}

main "$@"
