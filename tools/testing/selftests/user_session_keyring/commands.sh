#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the documentation says to type where the module is, each block of it in
# a file of commands.d.  With --list, the names of the blocks, one a line.

cd "$(dirname "$0")" || exit
. ./functions.sh

name_of() {
	sed -n '1s/^# //p' "$1"
}

list_blocks() {
	for block in commands.d/*; do
		name_of "$block"
	done
}

# As it is where the module was built, and where it was installed.
lay_out() {
	mkdir -p rust samples tools
	ln -sf ../usk-status tools
	ln -sf "$PWD/usk-status" "$PWD/anchor" /bin
	for file in *.ko; do
		case $file in
		"$MODULE.ko") ln -sf "../$file" rust ;;
		*) ln -sf "../$file" samples ;;
		esac
	done
}

# The module is there, unless the block loads it or does without.
play() {
	grep -q "^insmod .*$MODULE.ko\|^# without the module\$" "$1" || load
	no_complaints || return
	sh -eux "$1" >"$WORK/output" 2>&1 || {
		complain "it returned $?:"
		tail -n 40 "$WORK/output" | sed 's/^/#   /'
	}
	[ ! -e "$LIVEPATCH" ] || disable
	[ ! -e "/sys/module/$MODULE" ] || remove
}

if [ "$1" = --list ]; then
	list_blocks
	exit
fi

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
echo "TAP version 13"
echo "1..$(list_blocks | wc -l)"
lay_out
for block in commands.d/*; do
	begin_test
	also_expected="^<5>$MODULE: keyrings of UID [0-9]* ended on request\$
^<5>$MODULE: keyctl\[[0-9]*\] of root uses the keyrings of its UID\$
^<6>rust_fprobe: "
	play "$block"
	end_test "$(name_of "$block")"
done
exit $((failed > 0))
