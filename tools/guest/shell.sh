#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What make shell runs in the guest.

insmod user_session_keyring.ko || echo "the module did not load: see dmesg"
# For make gdb, which reads the console.
if [ -e debug ]; then
	for section in .text .rodata .data .bss; do
		at=$(cat /sys/module/user_session_keyring/sections/$section) &&
			echo "section $section at $at" > /dev/kmsg
	done
fi
# Commands as they are where the module was installed, and files as where it was built.
mkdir -p /root/samples /root/tools
for file in usk-status anchor *.ko; do
	case $file in
	"*.ko" | user_session_keyring.ko) ;;
	*.ko) ln -s "$PWD/$file" /root/samples ;;
	*) [ ! -e "$file" ] || ln -s "$PWD/$file" /bin ;;
	esac
done
ln -s /bin/usk-status /root/tools
cat << 'END'
user_session_keyring is loaded. Things to try:
  keyctl show @us
  su alice                             (or bob, or carol)
  cat /sys/kernel/debug/user_session_keyring/records
  usk-status
  echo 0 > /sys/kernel/livepatch/user_session_keyring/enabled
`exit` ends the guest.
END
[ ! -e anchor ] ||
	echo "The samples are in samples/, each with its manual in the head of its source."
cd /root || exit
exec sh -l
