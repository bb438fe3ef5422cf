#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What the test of the patch series runs in the guest. The suites have run when the kernel booted.

dmesg -s 4194304

insmod rust_fprobe.ko || exit
cat /proc/cmdline > /dev/null
rmmod rust_fprobe || exit
dmesg | grep -q 'rust_fprobe: cmdline_proc_show() was called [1-9][0-9]* times, and 0 calls' || exit

insmod rust_livepatch.ko || exit
grep -q '^rust_livepatch: this has been live patched$' /proc/cmdline || exit
echo 0 > /sys/kernel/livepatch/rust_livepatch/enabled || exit
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -e /sys/kernel/livepatch/rust_livepatch ] || break
	sleep 1
done
rmmod rust_livepatch || exit
! grep rust_livepatch /proc/cmdline
