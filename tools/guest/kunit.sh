#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What make kunit runs in the guest: print what the kernel logs while the suites run, and no more.
# kunit.py reads the first KTAP document only, and booting has printed one of its own.

cat filter > /sys/module/kunit/parameters/filter_glob
dmesg -c > /dev/null
insmod user_session_keyring_kunit.ko
status=$?
dmesg -s 4194304
exit $status
